//! A corpus case: a folder with a specification, rows, requests and the table of its values.
//!
//! ```text
//!  corpus/<case>/case.md         what it is about, and why the answer is what it is
//!                feature.feat    the text that the engines compile; service `everything`
//!                oracle.json     the same for the definition
//!                <source>.jsonl  the rows of each source in the file's order
//!                requests.jsonl  keys by input name, other inputs, and `at`
//!                values.snap     one table; every reading must reproduce it
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use crate::oracle::spec::OracleSpec;
use crate::oracle::time::{instant, instant_text};
use crate::oracle::{Answers, Oracle};

/// A question of a case: the line as it is written, and its instant.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Keys by input name and the request's other columns, without `at`.
    pub inputs: Map<String, Json>,
    /// The instant in microseconds.
    pub at: i64,
}

/// A case, read.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What the engines compile.
    pub feat: String,
    /// What the definition reads.
    pub spec: OracleSpec,
    /// Rows by source.
    pub rows: BTreeMap<String, Vec<Map<String, Json>>>,
    /// What is asked.
    pub requests: Vec<Asked>,
}

/// The folder of all cases.
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every case, by name. Errors name the file that could not be read.
pub fn cases() -> Result<Vec<Case>, String> {
    let folder = corpus();
    let entries = fs::read_dir(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().map(|folder| Case::read(folder)).collect()
}

impl Case {
    /// The case in `folder`. Errors name the file that could not be read.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", path.display()))
        };
        text("case.md")?;
        let wrong =
            |name: &str, cause: &dyn std::fmt::Display| format!("{}: {cause}", folder.join(name).display());
        let spec: OracleSpec =
            serde_json::from_str(&text("oracle.json")?).map_err(|cause| wrong("oracle.json", &cause))?;
        let lines = |name: &str| -> Result<Vec<Map<String, Json>>, String> {
            let lines = text(name)?;
            let lines = lines.lines().filter(|line| !line.trim().is_empty());
            lines.map(|line| serde_json::from_str(line).map_err(|cause| wrong(name, &cause))).collect()
        };
        let mut rows = BTreeMap::new();
        for source in &spec.sources {
            rows.insert(source.name.clone(), lines(&format!("{}.jsonl", source.name))?);
        }
        let mut requests = Vec::new();
        for mut inputs in lines("requests.jsonl")? {
            let at = inputs.remove("at").as_ref().and_then(Json::as_str).and_then(instant);
            requests
                .push(Asked { at: at.ok_or_else(|| wrong("requests.jsonl", &"a line lacks `at`"))?, inputs });
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, folder: folder.to_owned(), feat: text("feature.feat")?, spec, rows, requests })
    }

    /// Rows by source for the engines: the case's, and its questions as the spine source `asks` where
    /// the specification has labels.
    pub fn tables(&self) -> BTreeMap<String, Vec<Map<String, Json>>> {
        let mut tables = self.rows.clone();
        if !self.spec.labels.is_empty() {
            let ask = |asked: &Asked| {
                let mut row = asked.inputs.clone();
                row.insert("at".to_owned(), Json::from(instant_text(asked.at)));
                row
            };
            tables.insert("asks".to_owned(), self.requests.iter().map(ask).collect());
        }
        tables
    }

    /// The definition of the case.
    pub fn oracle(&self) -> Oracle {
        Oracle::new(self.spec.clone(), &self.rows)
    }

    /// What the definition answers to each request over the whole logs, labels behind the features;
    /// `None` for a request whose labels are not complete yet, which a dataset leaves out.
    pub fn answers(&self) -> Vec<Option<Answers>> {
        let oracle = self.oracle();
        let answer = |asked: &Asked| {
            let mut answers = oracle.answer(&asked.inputs, asked.at, &BTreeMap::new());
            answers.extend(oracle.labels(&asked.inputs, asked.at)?);
            Some(answers)
        };
        self.requests.iter().map(answer).collect()
    }

    /// The table of `values.snap`: a line a request, a column a feature, aligned.
    pub fn table(&self) -> String {
        let answers = self.answers();
        let names =
            answers.iter().flatten().next().map(|answers| answers.iter().map(|(name, _)| name.clone()));
        let mut table = vec![vec!["key".to_owned(), "at".to_owned()]];
        table[0].extend(names.into_iter().flatten());
        for (asked, answers) in self.requests.iter().zip(&answers) {
            let inputs: Vec<String> = asked.inputs.values().map(Json::to_string).collect();
            let mut line = vec![inputs.join(", "), instant_text(asked.at)];
            match answers {
                Some(answers) => line.extend(answers.iter().map(|(_, answer)| answer.to_string())),
                None => line.push("(left out: its labels are not complete)".to_owned()),
            }
            table.push(line);
        }
        aligned(&table)
    }
}

/// Lines of cells, each column as wide as its widest cell.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        table.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in table {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
            .collect();
        text += cells.join(" | ").trim_end();
        text.push('\n');
    }
    text
}
