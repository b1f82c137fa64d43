//! Random edits of random specifications: what an author may do next to a text that is deployed.

use super::scale::{Form, Scale};
use super::spec::{call, condition};
use super::{AGGREGATES, Drawn};
use crate::dice::Dice;
use crate::oracle::spec::{Column, Dedupe, Feature, Group, Known, OracleSpec, Over, Source};
use crate::oracle::time::{Length, instant_text};
use crate::text;

/// An edited draw. Some edits change nothing, some give what does not compile.
#[derive(Clone, Debug)]
pub struct Edited {
    /// What was done, in words.
    pub what: String,
    /// The text after it.
    pub text: String,
}

/// An edit of `drawn`: one thing, or in one of four two things at once.
pub fn edit(drawn: &Drawn, dice: &mut Dice) -> Edited {
    // The first thing that is drawn of a seed.
    let scale = Scale::draw(&mut Dice::new(drawn.seed));
    let mut draft = Draft { dice, scale, spec: drawn.spec.clone(), words: Vec::new() };
    let mut what = Vec::new();
    let things = if draft.dice.once_in(4) { 2 } else { 1 };
    for _ in 0..things {
        let (name, change) = *draft.dice.pick(KINDS);
        change(&mut draft);
        what.push(name);
    }
    let Draft { spec, words, .. } = draft;
    let text = words.into_iter().fold(text::feat(&spec), |text, (at, word)| text.replacen(at, word, 1));
    Edited { what: what.join(" and "), text }
}

/// A specification that is being edited.
struct Draft<'d> {
    dice: &'d mut Dice,
    scale: Scale,
    spec: OracleSpec,
    /// What stands in the text and what shall stand there: what a specification does not know.
    words: Vec<(&'static str, &'static str)>,
}

/// What may be done.
type Kind = (&'static str, fn(&mut Draft<'_>));

const KINDS: &[Kind] = &[
    // What decides nothing.
    ("documentation", |it| it.words.push(("\nfeatures by_user", "\n/// Of a user.\nfeatures by_user"))),
    ("tags", |it| it.words.push(("\nsource events", "\n@tags(\"drawn\")\nsource events"))),
    ("an expectation that warns", |it| it.words.push((IN_EVENTS, "\n  expect x > 0\n  batch"))),
    ("a version", |it| it.words.push((IN_BY_USER, "from events {\n  version 2\n"))),
    // More than before.
    ("one more feature", |it| it.add_feature("more")),
    ("one more feature and a version", |it| {
        it.add_feature("more");
        it.words.push((IN_BY_USER, "from events {\n  version 2\n"));
    }),
    ("one more private feature", |it| it.add_feature("_more")),
    ("one more label", |it| {
        let next = Length(*it.dice.pick(&it.scale.lengths));
        let over = Over { next: Some(next), ..Over::default() };
        let feature = it.feature("more", &["count", "sum", "last", "max"], over);
        it.spec.labels.iter_mut().for_each(|group| group.features.push(feature.clone()));
    }),
    ("one more group", |it| {
        let mut group = it.spec.groups[0].clone();
        "by_other".clone_into(&mut group.name);
        group.key = vec!["a".to_owned(), "b".to_owned()];
        it.spec.groups.push(group);
    }),
    ("one more column", |it| {
        let ty = if it.dice.once_in(2) { "int?" } else { "int" };
        it.events().columns.push(Column { name: "more".to_owned(), ty: ty.to_owned() });
    }),
    // Less than before.
    ("one feature less", |it| {
        let group = it.group();
        if group.features.len() > 1 {
            group.features.remove(0);
        }
    }),
    ("one label less", |it| {
        for group in it.spec.labels.iter_mut().filter(|group| group.features.len() > 1) {
            group.features.pop();
        }
    }),
    ("one group less", |it| {
        if it.spec.groups.len() > 1 {
            it.spec.groups.remove(1);
        }
    }),
    ("features in another order", |it| it.group().features.reverse()),
    // Columns.
    ("a column that may be null", |it| {
        let at = it.column();
        let ty = &mut it.events().columns[at].ty;
        if !ty.ends_with('?') {
            ty.push('?');
        }
    }),
    ("a column that may not be null", |it| {
        let at = it.column();
        let ty = &mut it.events().columns[at].ty;
        *ty = ty.trim_end_matches('?').to_owned();
    }),
    ("a column less", |it| {
        let at = it.column();
        it.events().columns.remove(at);
    }),
    // Which rows there are, when they count, and in which order.
    ("ttl", |it| {
        let (least, most) = (it.scale.longest() / 8, 2 * it.scale.longest());
        let ttl = it.dice.once_in(3).then(|| Length(it.dice.between(least, most)));
        it.group().ttl = ttl;
    }),
    ("lateness", |it| {
        let lateness = it.dice.once_in(2).then(|| Length(it.scale.longest() / it.dice.between(2, 12)));
        it.events().lateness = lateness;
    }),
    ("dedupe within", |it| {
        let within = Length((it.scale.longest() / *it.dice.pick(&[1, 2, 8, 40])).max(1));
        if let Some(dedupe) = &mut it.events().dedupe {
            dedupe.within = Some(within);
        }
    }),
    ("dedupe by", |it| {
        let by: &[&str] = it.dice.pick::<&[&str]>(&[&["id"], &["name"], &["id", "x"]]);
        let by = by.iter().map(|&column| column.to_owned()).collect();
        let within = Some(Length((it.scale.longest() / 4).max(1)));
        let none = it.dice.once_in(3);
        it.events().dedupe = if none { None } else { Some(Dedupe { by, within }) };
    }),
    ("order by", |it| {
        let by: &[&str] = it.dice.pick::<&[&str]>(&[&[], &["x"], &["id"], &["amount", "name"]]);
        it.events().order_by = by.iter().map(|&column| column.to_owned()).collect();
    }),
    ("known", |it| {
        let after = Length(it.scale.longest() / it.dice.between(3, 40));
        let column = it.dice.once_in(2).then(|| "seen".to_owned());
        it.events().known = Some(Known { column, after });
    }),
    ("since", |it| {
        let since = instant_text(it.scale.start + it.scale.longest() * it.dice.between(0, 8) / 4);
        it.events().since = Some(since);
    }),
    ("where of the source", |it| {
        let filter = condition(it.dice);
        it.events().filter = vec![filter];
    }),
    ("where of a group", |it| {
        let filter = if it.dice.once_in(3) { vec![] } else { vec![condition(it.dice)] };
        it.group().filter = filter;
    }),
    // What a feature is.
    ("where of a feature", |it| {
        let filter = if it.dice.once_in(3) { vec![] } else { vec![condition(it.dice)] };
        if let Some(feature) = it.old_feature() {
            feature.filter = filter;
        }
    }),
    ("window of a feature", |it| {
        let form = *it.dice.pick(&[Form::Duration, Form::Every, Form::Offset, Form::All]);
        let over = it.scale.over(it.dice, form).remove(0);
        if let Some(feature) = it.old_feature() {
            feature.over = over;
        }
    }),
    ("value of a feature", |it| {
        let other = it.feature("other", &AGGREGATES, Over::default());
        if let Some(feature) = it.old_feature() {
            *feature = Feature { name: feature.name.clone(), over: feature.over.clone(), ..other };
        }
    }),
];

/// Where a clause of the source finds a place.
const IN_EVENTS: &str = "\n  batch";
/// Where a setting of the first group does, if it has no `where`.
const IN_BY_USER: &str = "from events {\n";

impl Draft<'_> {
    fn events(&mut self) -> &mut Source {
        &mut self.spec.sources[0]
    }

    /// A column that is no key and no time: the place of one.
    fn column(&mut self) -> usize {
        self.dice.between(3, 11) as usize
    }

    /// A group over events.
    fn group(&mut self) -> &mut Group {
        let groups = self.spec.groups.iter().filter(|group| group.source == "events").count();
        let at = self.dice.between(0, groups as i64) as usize;
        &mut self.spec.groups[at]
    }

    /// A feature that is there and does not stand in a list, whose windows are written together.
    fn old_feature(&mut self) -> Option<&mut Feature> {
        let at = self.dice.bits() as usize;
        let group = self.group();
        let at = at % group.features.len();
        group.features.get_mut(at).filter(|feature| text::base(feature).is_none())
    }

    fn feature(&mut self, name: &str, of: &[&str], over: Over) -> Feature {
        let aggregate = (*self.dice.pick(of)).to_owned();
        let (args, params) = call(self.dice, &aggregate);
        let filter = if self.dice.once_in(3) { vec![condition(self.dice)] } else { vec![] };
        Feature { name: name.to_owned(), aggregate, args, params, filter, over }
    }

    fn add_feature(&mut self, name: &str) {
        let form = *self.dice.pick(&[Form::Duration, Form::Every, Form::Offset, Form::All]);
        let over = self.scale.over(self.dice, form).remove(0);
        let feature = self.feature(name, &AGGREGATES, over);
        let group = self.group();
        group.features.push(feature);
    }
}
