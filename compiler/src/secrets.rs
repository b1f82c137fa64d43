//! Secrets: keys of keyed hashes, which an expression names and nobody sees.
//!
//! The text has the name, the caller of [`compile_with`](crate::compile_with) the value. A value is
//! no part of the model's text, of a plan's, of an explanation or of the meaning hash; printing a
//! [`Secret`] shows its name. Without a value a project is checked and explained, and not run:
//! [`Compiled::unset`](crate::Compiled::unset).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the name of an environment's variable begins with that holds a secret.
pub const PREFIX: &str = "FEAT_SECRET_";

/// Values of secrets by name. Upper and lower case are one, as in a variable's name.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, Arc<[u8]>>);

impl Secrets {
    /// The secret `name`, perhaps without a value.
    pub fn secret(&self, name: &str) -> Secret {
        Secret { name: name.to_owned(), value: self.0.get(&name.to_uppercase()).cloned() }
    }
}

impl FromIterator<(String, Vec<u8>)> for Secrets {
    /// Secrets by name. An empty value is none: a hash with an empty key is one that anybody can make.
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(secrets: I) -> Self {
        let held = secrets.into_iter().filter(|(_, value)| !value.is_empty());
        Self(held.map(|(name, value)| (name.to_uppercase(), value.into())).collect())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A secret that an expression names.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    name: String,
    value: Option<Arc<[u8]>>,
}

impl Secret {
    /// As the text names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The variable of the environment that would hold it: `FEAT_SECRET_USER_SALT`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase())
    }

    /// Its value, if it was given.
    pub(crate) fn value(&self) -> Option<&Arc<[u8]>> {
        self.value.as_ref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret({:?})", self.name)
    }
}
