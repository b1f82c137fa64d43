//! Who an object is, across versions: `urn:feat:KIND:PROJECT/NAME`.

use std::fmt;

use feat_compiler::objects::Kind;

/// The name of an object that never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Urn {
    /// What it is.
    pub kind: String,
    /// Its project.
    pub project: String,
    /// Its full name: `package.name`, of a feature `package.group.feature`.
    pub name: String,
}

impl Urn {
    /// The URN of `name` in `project`.
    pub fn new(kind: Kind, project: &str, name: &str) -> Self {
        let kind = match kind {
            Kind::Labels => "labels",
            Kind::Derived => "derived",
            kind => kind.word(),
        };
        Self { kind: kind.to_owned(), project: project.to_owned(), name: name.to_owned() }
    }

    /// Reads what [`Urn`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.strip_prefix("urn:feat:")?.split_once(':')?;
        let (project, name) = rest.split_once('/')?;
        let owned = str::to_owned;
        Some(Self { kind: owned(kind), project: owned(project), name: owned(name) })
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urn:feat:{}:{}/{}", self.kind, self.project, self.name)
    }
}
