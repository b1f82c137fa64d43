//! A smaller draw that still differs: what a person wants to look at.

use crate::draw::Drawn;
use crate::text;

/// The smallest draw found by leaving things out of `drawn` for which `differs` still says something,
/// and what it says. `drawn` itself must differ.
///
/// Cost: some hundred calls of `differs`.
pub fn shrink(drawn: &Drawn, differs: impl Fn(&Drawn) -> Option<String>) -> (Drawn, String) {
    let (mut smallest, mut said) = (drawn.clone(), differs(drawn).unwrap_or_default());
    loop {
        let before = size(&smallest);
        for smaller in smaller(&smallest) {
            // Candidates are made from a draw that may have shrunk since; one that is no smaller is stale.
            if size(&smaller) < size(&smallest)
                && let Some(now) = differs(&smaller)
            {
                (smallest, said) = (smaller, now);
            }
        }
        if size(&smallest) == before {
            return (smallest, said);
        }
    }
}

/// A draw as a case could keep it: text, rows, questions.
pub fn shown(drawn: &Drawn) -> String {
    let mut lines = vec![format!("seed {}", drawn.seed), text::feat(&drawn.spec)];
    for (source, rows) in &drawn.rows {
        lines.push(format!("{source}:"));
        lines.extend(rows.iter().map(|row| serde_json::Value::from(row.clone()).to_string()));
    }
    for request in &drawn.requests {
        let key = serde_json::Value::from(request.key.clone());
        lines.push(format!("asked: {key} at {}", crate::oracle::time::instant_text(request.at)));
    }
    lines.join("\n")
}

fn size(drawn: &Drawn) -> usize {
    let features = drawn.spec.groups.iter().chain(&drawn.spec.labels).map(|group| 1 + group.features.len());
    drawn.rows.values().map(Vec::len).sum::<usize>() + drawn.requests.len() + features.sum::<usize>()
}

/// Draws with one part less, large parts first.
fn smaller(drawn: &Drawn) -> Vec<Drawn> {
    let mut found = Vec::new();
    let mut without = |change: &dyn Fn(&mut Drawn)| {
        let mut smaller = drawn.clone();
        change(&mut smaller);
        found.push(smaller);
    };
    without(&|drawn| drawn.spec.labels.clear());
    for at in 0..drawn.requests.len() {
        without(&|drawn| drawn.requests = vec![drawn.requests[at].clone()]);
    }
    for at in 0..drawn.spec.groups.len() {
        if drawn.spec.groups.len() > 1 {
            without(&|drawn| drop(drawn.spec.groups.remove(at)));
        }
        let features = drawn.spec.groups[at].features.len();
        // The columns of a row lookup stay together.
        let alone = features == 1 || drawn.spec.groups[at].source != "events";
        for feature in (0..features).filter(|_| !alone) {
            without(&|drawn| drop(drawn.spec.groups[at].features.remove(feature)));
        }
    }
    for (source, rows) in &drawn.rows {
        for part in [rows.len() / 2, rows.len() / 4, 1] {
            for start in (0..rows.len()).step_by(part.max(1)) {
                without(&|drawn| {
                    let rows = drawn.rows.entry(source.clone()).or_default();
                    drop(rows.drain(start..(start + part).min(rows.len())));
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::draw;

    #[test]
    fn what_makes_the_difference_is_what_is_left() {
        let drawn = draw(3);
        let guilty = drawn.rows["events"][4].clone();
        let (smallest, said) =
            shrink(&drawn, |drawn| drawn.rows["events"].contains(&guilty).then(|| "it is there".to_owned()));
        assert_eq!((smallest.rows["events"].as_slice(), said.as_str()), ([guilty].as_slice(), "it is there"));
        assert_eq!((smallest.requests.len(), smallest.spec.groups.len()), (1, 1));
        assert!(shown(&smallest).contains("seed 3"));
    }
}
