//! Project: files become packages of named items, loops over items unrolled.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | syntax trees, file by file | [`Project`]: every item by its full name, with the loops around it | names declared twice, imports, private names, holes |
//!
//! What an item says is not looked at here: an item in a loop is the same tree once per iteration,
//! with other values of the loop's variable beside it.

use std::collections::BTreeSet;
use std::rc::Rc;

use feat_dsl::ast::{self, Expr, ExprKind, Item, ItemKind, Literal, NamePart};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::source_map::SourceMap;
use feat_dsl::span::{FileId, Span};
use indexmap::IndexMap;

use crate::codes;
use crate::constants::{Constant, ConstantKind, Loops, negative};
use crate::ir::QName;
use crate::report::{Checked, Report, Stop, word};
use crate::similar::suggestion;

/// Constants that name constants end here: deeper is a circle.
const DEEPEST: usize = 64;

/// The most items that loops make.
const MOST_ITEMS: usize = 5_000;

/// An item under its full name.
#[derive(Debug)]
pub(crate) struct Declared<'a> {
    /// Its full name, holes filled.
    pub(crate) name: QName,
    /// The item.
    pub(crate) item: &'a Item,
    /// The loops around it.
    pub(crate) loops: Rc<Loops>,
    /// Its file, a place in [`Project::files`].
    pub(crate) file: usize,
    /// Where its name stands.
    pub(crate) span: Span,
}

/// What a file sees and gives to its items.
#[derive(Debug, Default)]
pub(crate) struct FileScope<'a> {
    /// Its package; empty without one.
    pub(crate) package: String,
    /// Attributes of the whole file.
    pub(crate) attrs: &'a [ast::Attr],
    /// Imported names: as they are called here, and what they are.
    names: IndexMap<String, QName>,
    /// `import a.b as c`
    aliases: IndexMap<String, String>,
}

/// Every item of every file.
#[derive(Debug)]
pub(crate) struct Project<'a> {
    texts: &'a SourceMap,
    /// By [`FileId`].
    pub(crate) files: Vec<FileScope<'a>>,
    /// Everything with a name.
    pub(crate) items: IndexMap<QName, Declared<'a>>,
    /// Tests in the order of the text; their `name` is empty.
    pub(crate) tests: Vec<Declared<'a>>,
    packages: IndexMap<String, Vec<String>>,
    /// Items that could not be read, which was said.
    broken: BTreeSet<QName>,
    /// How many items the loops made.
    looped: usize,
}

/// Gathers the items of `files`, which stand in the order of their [`FileId`]s.
pub(crate) fn gather<'a>(texts: &'a SourceMap, files: &'a [ast::File], report: &mut Report) -> Project<'a> {
    let mut project = Project {
        texts,
        files: files.iter().map(scope_of).collect(),
        items: IndexMap::new(),
        tests: Vec::new(),
        packages: IndexMap::new(),
        broken: BTreeSet::new(),
        looped: 0,
    };
    for (file, tree) in project.files.iter().zip(files) {
        let named = |name: &String| QName { package: file.package.clone(), name: name.clone() };
        project.broken.extend(tree.broken.iter().map(named));
    }
    let outside = Rc::new(Loops::default());
    // Constants first: loops run over them, whichever file they stand in.
    for lets in [true, false] {
        for (file, tree) in files.iter().enumerate() {
            for item in tree.items.iter().filter(|item| matches!(item.kind, ItemKind::Let(_)) == lets) {
                project.declare(item, &outside, file, report);
            }
        }
        if lets {
            project.packages.extend(project.files.iter().map(|file| (file.package.clone(), Vec::new())));
            for (file, tree) in files.iter().enumerate() {
                project.import(file, tree, report, false);
            }
        }
    }
    for name in project.items.keys() {
        if let Some(names) = project.packages.get_mut(&name.package) {
            names.push(name.name.clone());
        }
    }
    for (file, tree) in files.iter().enumerate() {
        project.import(file, tree, report, true);
    }
    project
}

fn scope_of(file: &ast::File) -> FileScope<'_> {
    let package = file.package.as_ref();
    FileScope {
        package: package.map(|package| plain_path(&package.name)).unwrap_or_default(),
        attrs: package.map(|package| package.attrs.as_slice()).unwrap_or_default(),
        ..FileScope::default()
    }
}

/// A path without holes, dotted.
pub(crate) fn plain_path(path: &ast::Path) -> String {
    path.segments.iter().map(plain_name).collect::<Vec<_>>().join(".")
}

/// A name as written, holes and all.
pub(crate) fn plain_name(name: &ast::Name) -> String {
    name.parts
        .iter()
        .map(|part| match part {
            NamePart::Text(text) => text.clone(),
            NamePart::Hole(hole) => format!("{{{hole}}}"),
        })
        .collect()
}

impl Declared<'_> {
    /// The names of `path`, holes filled.
    pub(crate) fn segments(&self, path: &ast::Path, report: &mut Report) -> Checked<Vec<String>> {
        path.segments.iter().map(|segment| self.loops.fill(segment, report)).collect()
    }

    /// `path` as it reads once its holes are filled.
    pub(crate) fn path(&self, path: &ast::Path, report: &mut Report) -> Checked<String> {
        self.segments(path, report).map(|segments| segments.join("."))
    }
}

impl<'a> Project<'a> {
    fn declare(&mut self, item: &'a Item, loops: &Rc<Loops>, file: usize, report: &mut Report) {
        let named = |ident: &ast::Ident| Ok((ident.node.clone(), ident.span));
        let filled = |name: &ast::Name, report: &mut Report| {
            loops.fill(name, report).map(|filled| (filled, name.span.0))
        };
        let name = match &item.kind {
            ItemKind::For(inner) => {
                let Ok(values) = self.list(&inner.list, file, loops, report) else { return };
                for value in values {
                    self.looped += inner.items.len();
                    if self.looped > MOST_ITEMS {
                        report.push(
                            Diagnostic::error(
                                codes::LIMIT,
                                inner.list.span.0,
                                format!("the loops of a project make at most {MOST_ITEMS} items"),
                            )
                            .label("too many items"),
                        );
                        return;
                    }
                    let loops = Rc::new(loops.with(&inner.var.node, value));
                    inner.items.iter().for_each(|item| self.declare(item, &loops, file, report));
                }
                return;
            }
            ItemKind::Test(test) => {
                let name = QName { package: self.files[file].package.clone(), name: String::new() };
                let span = test.title.span;
                self.tests.push(Declared { name, item, loops: Rc::clone(loops), file, span });
                return;
            }
            ItemKind::Let(decl) => named(&decl.name),
            ItemKind::Fn(decl) => named(&decl.name),
            ItemKind::ExternFn(decl) => named(&decl.name),
            ItemKind::Type(decl) => named(&decl.name),
            ItemKind::Entity(decl) => filled(&decl.name, report),
            ItemKind::Source(decl) => filled(&decl.name, report),
            ItemKind::Features(decl) | ItemKind::Labels(decl) => filled(&decl.name, report),
            ItemKind::Derived(decl) => filled(&decl.name, report),
            ItemKind::Service(decl) => filled(&decl.name, report),
            ItemKind::Dataset(decl) => filled(&decl.name, report),
        };
        let Ok((name, span)) = name else { return };
        let name = QName { package: self.files[file].package.clone(), name };
        if let Some(first) = self.items.get(&name) {
            report.push(
                Diagnostic::error(
                    codes::DEFINED_TWICE,
                    span,
                    format!("`{}` is declared twice in this package", name.name),
                )
                .label("again here")
                .also(first.span, format!("first here, as a {}", word(&first.item.kind))),
            );
            return;
        }
        let declared = Declared { name: name.clone(), item, loops: Rc::clone(loops), file, span };
        self.items.insert(name, declared);
    }

    /// Binds the imports of a file; with `complain`, says which of them lead nowhere.
    fn import(&mut self, file: usize, tree: &ast::File, report: &mut Report, complain: bool) {
        for import in &tree.imports {
            let package = plain_path(&import.package);
            let Some(known) = self.packages.get(&package) else {
                if complain {
                    let mut diagnostic = Diagnostic::error(
                        codes::UNKNOWN_PACKAGE,
                        import.package.span.0,
                        format!("no package is named `{package}`"),
                    )
                    .label("not in this project");
                    diagnostic.help = suggestion(&package, self.packages.keys().map(String::as_str));
                    report.push(diagnostic);
                }
                continue;
            };
            match &import.names {
                ast::ImportNames::Package => {}
                ast::ImportNames::As(alias) => {
                    self.files[file].aliases.insert(alias.node.clone(), package);
                }
                ast::ImportNames::Some(names) => {
                    for (name, renamed) in names {
                        let there = QName { package: package.clone(), name: name.node.clone() };
                        if complain && !known.contains(&name.node) && !self.broken.contains(&there) {
                            let mut diagnostic = Diagnostic::error(
                                codes::UNKNOWN_ITEM,
                                name.span,
                                format!("package `{package}` has no `{}`", name.node),
                            )
                            .label("not declared there");
                            diagnostic.help = suggestion(&name.node, known.iter().map(String::as_str));
                            report.push(diagnostic);
                        } else if complain
                            && name.node.starts_with('_')
                            && self.files[file].package != package
                        {
                            report.push(private(&name.node, &package, name.span));
                        }
                        let here = renamed.as_ref().unwrap_or(name).node.clone();
                        self.files[file].names.insert(here, there);
                    }
                }
            }
        }
    }

    /// The item that `segments` name in `file`, if there is one: an imported name, a name of the
    /// file's own package, or `package.name` by an alias or in full.
    pub(crate) fn find(&self, file: usize, segments: &[&str]) -> Option<&Declared<'a>> {
        self.items.get(&self.full_name(file, segments)?)
    }

    /// Whether `segments` name an item in `file` that could not be read: nothing more is to be said.
    pub(crate) fn is_broken(&self, file: usize, segments: &[&str]) -> bool {
        self.full_name(file, segments).is_some_and(|name| self.broken.contains(&name))
    }

    /// What `segments` stand for in `file`.
    fn full_name(&self, file: usize, segments: &[&str]) -> Option<QName> {
        let (name, package) = segments.split_last()?;
        let scope = &self.files[file];
        if package.is_empty() {
            if let Some(imported) = scope.names.get(*name) {
                return Some(imported.clone());
            }
            return Some(QName { package: scope.package.clone(), name: (*name).to_owned() });
        }
        let package = package.join(".");
        let package = scope.aliases.get(&package).unwrap_or(&package);
        Some(QName { package: package.clone(), name: (*name).to_owned() })
    }

    /// The item that `path` names in `file`, which must be one that `wanted` accepts; anything else is
    /// reported as `kind` that is missing.
    pub(crate) fn resolve(
        &self,
        path: &str,
        span: Span,
        file: usize,
        kind: &'static str,
        wanted: fn(&ItemKind) -> bool,
        report: &mut Report,
    ) -> Checked<&Declared<'a>> {
        let segments: Vec<&str> = path.split('.').collect();
        let Some(found) = self.find(file, &segments) else {
            if self.is_broken(file, &segments) {
                return Err(Stop::Error);
            }
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_ITEM, span, format!("no {kind} is named `{path}`"))
                    .label("not declared in this project");
            let near = self.visible(file, wanted);
            diagnostic.help = suggestion(path, near.iter().map(String::as_str));
            return Err(report.push(diagnostic));
        };
        self.may_see(found, span, file, report)?;
        if wanted(&found.item.kind) {
            return Ok(found);
        }
        let is = word(&found.item.kind);
        Err(report.push(
            Diagnostic::error(
                codes::WRONG_KIND,
                span,
                format!("`{path}` is a {is}, and a {kind} is needed here"),
            )
            .label(format!("a {is}"))
            .also(found.span, "declared here"),
        ))
    }

    /// The source that `path` of `declared` names, and how it is written there.
    pub(crate) fn source(
        &self,
        declared: &Declared<'_>,
        path: &ast::Path,
        report: &mut Report,
    ) -> Checked<(String, &Declared<'a>)> {
        let name = declared.path(path, report)?;
        let is_source = |kind: &ItemKind| matches!(kind, ItemKind::Source(_));
        let found = self.resolve(&name, path.span.0, declared.file, "source", is_source, report)?;
        Ok((name, found))
    }

    /// Refuses a private item of another package.
    pub(crate) fn may_see(
        &self,
        found: &Declared<'a>,
        span: Span,
        file: usize,
        report: &mut Report,
    ) -> Checked<()> {
        if found.name.name.starts_with('_') && found.name.package != self.files[file].package {
            return Err(report.push(private(&found.name.name, &found.name.package, span)));
        }
        Ok(())
    }

    /// The names that `file` can write for items that `wanted` accepts.
    pub(crate) fn visible(&self, file: usize, wanted: fn(&ItemKind) -> bool) -> Vec<String> {
        let scope = &self.files[file];
        let own = self.packages.get(&scope.package).into_iter().flatten();
        own.cloned()
            .chain(scope.names.keys().cloned())
            .filter(|name| self.find(file, &[name]).is_some_and(|found| wanted(&found.item.kind)))
            .collect()
    }

    /// The text at `span`, without the white space around it.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        let text = self.texts.text(FileId(span.file.0));
        text.get(span.start as usize..span.end as usize).unwrap_or_default().trim()
    }

    /// The text at `span` on one line.
    pub(crate) fn one_line(&self, span: Span) -> String {
        self.text(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What a constant expression is; a name that is no constant stays a name.
    pub(crate) fn constant(
        &self,
        expr: &Expr,
        file: usize,
        loops: &Loops,
        report: &mut Report,
    ) -> Checked<Constant> {
        self.constant_at(expr, file, loops, report, 0)
    }

    fn constant_at(
        &self,
        expr: &Expr,
        file: usize,
        loops: &Loops,
        report: &mut Report,
        depth: usize,
    ) -> Checked<Constant> {
        let span = expr.span.0;
        let not_constant = |report: &mut Report, why: &str| {
            report.push(
                Diagnostic::error(codes::CONSTANT, span, "a constant is needed here")
                    .label(why.to_owned())
                    .help("a literal, a list of literals, or the name of a `let`"),
            )
        };
        let kind = match &*expr.kind {
            ExprKind::Literal(literal) => ConstantKind::Literal(literal.clone()),
            ExprKind::Neg(inner) => {
                let inner = self.constant_at(inner, file, loops, report, depth)?;
                match &inner.kind {
                    ConstantKind::Literal(literal) => match negative(literal) {
                        Some(literal) => ConstantKind::Literal(literal),
                        None => return Err(not_constant(report, "has no negative")),
                    },
                    _ => return Err(not_constant(report, "has no negative")),
                }
            }
            ExprKind::List(items) => {
                let items: Checked<Vec<_>> =
                    items.iter().map(|item| self.constant_at(item, file, loops, report, depth)).collect();
                ConstantKind::List(items?)
            }
            ExprKind::Name(name) => {
                let name = loops.fill(name, report)?;
                return self.named(&name, span, file, loops, report, depth);
            }
            ExprKind::Field(..) => {
                let path = self.one_line(span).replace(' ', "");
                return self.named(&path, span, file, loops, report, depth);
            }
            _ => return Err(not_constant(report, "not known before the rows are")),
        };
        let text = self.text(span);
        let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        Ok(Constant { kind, text: plain.then(|| text.to_owned()), span })
    }

    /// The constant that `name` stands for; a name that is no constant stays a name.
    pub(crate) fn named(
        &self,
        name: &str,
        span: Span,
        file: usize,
        loops: &Loops,
        report: &mut Report,
        depth: usize,
    ) -> Checked<Constant> {
        if let Some(value) = loops.get(name) {
            return Ok(value.clone());
        }
        let segments: Vec<&str> = name.split('.').collect();
        match self.find(file, &segments) {
            Some(found) => match &found.item.kind {
                ItemKind::Let(_) if depth > DEEPEST => Err(report.push(
                    Diagnostic::error(codes::ORDER, found.span, format!("constant `{name}` needs itself"))
                        .label("defined by a circle"),
                )),
                ItemKind::Let(decl) => {
                    self.constant_at(&decl.value, found.file, &found.loops, report, depth + 1)
                }
                _ => Ok(Constant { kind: ConstantKind::Name(name.to_owned()), text: None, span }),
            },
            None => Ok(Constant { kind: ConstantKind::Name(name.to_owned()), text: None, span }),
        }
    }

    /// What a loop runs over.
    pub(crate) fn list(
        &self,
        expr: &Expr,
        file: usize,
        loops: &Loops,
        report: &mut Report,
    ) -> Checked<Vec<Constant>> {
        let constant = self.constant(expr, file, loops, report)?;
        match constant.kind {
            ConstantKind::List(items) => Ok(items),
            ConstantKind::Name(_) | ConstantKind::Literal(_) => Err(report.push(
                Diagnostic::error(codes::CONSTANT, expr.span.0, "a loop runs over a list")
                    .label("not a list")
                    .help("write `[a, b]`, or name a `let` that is a list"),
            )),
        }
    }

    /// A length of time written as a duration or the name of one.
    pub(crate) fn length(
        &self,
        length: &ast::LengthExpr,
        span: Span,
        file: usize,
        loops: &Loops,
        report: &mut Report,
    ) -> Checked<i64> {
        match length {
            ast::LengthExpr::Length(length) => Ok(*length),
            ast::LengthExpr::Name(name) => match self.named(name, span, file, loops, report, 0)?.kind {
                ConstantKind::Literal(Literal::Duration(length)) => Ok(length),
                _ => Err(not_a_length(name, span, report)),
            },
        }
    }
}

/// Says that `name` is no duration.
pub(crate) fn not_a_length(name: &str, span: Span, report: &mut Report) -> Stop {
    report.push(
        Diagnostic::error(codes::CONSTANT, span, format!("`{name}` is not a duration"))
            .label("a length of time is needed here")
            .help(format!("declare `let {name} = 7d`, or write the duration")),
    )
}

fn private(name: &str, package: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::PRIVATE, span, format!("`{name}` is private to package `{package}`"))
        .label("begins with `_`")
        .help("give it a name without the leading `_` to let other packages read it")
}
