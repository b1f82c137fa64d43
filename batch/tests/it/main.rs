//! The batch engine from text and files to files.

#[cfg(test)]
mod offline;
#[cfg(test)]
mod support;
#[cfg(test)]
mod training_set;
