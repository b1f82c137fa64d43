//! What every reading through the engines starts from: text that compiles, rows as Arrow, and values
//! back as the definition writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use feat_batch::{Session, Table, Tables};
use feat_compiler::plan::{GroupPlan, Plans, ServicePlan, SourcePlan};
use feat_dsl::source_map::SourceMap;
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use serde_json::{Map, Value as Json};

use crate::oracle::value::Val;
use crate::read::tiles::{val, value_of};

/// Rows as they are written: by source, in the file's order.
pub type Rows = BTreeMap<String, Vec<Map<String, Json>>>;

/// A compiled text and the tables of its sources.
#[derive(Clone)]
pub struct Project {
    /// What the engines run.
    pub plans: Arc<Plans>,
    /// The rows of its sources.
    pub tables: Tables,
}

impl Project {
    /// Compiles `text` and puts `rows` behind its sources, in memory.
    ///
    /// Errors: what the compiler reports, rendered.
    pub fn new(text: &str, rows: &Rows) -> Result<Self, String> {
        let mut sources = SourceMap::new();
        sources.add("feature.feat", text);
        let compiled = feat_compiler::compile(&sources);
        if compiled.has_errors() || !compiled.pending.is_empty() {
            let report =
                feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
            return Err(format!("the text does not compile:\n{report}\n{text}"));
        }
        let mut project = Self { plans: Arc::new(compiled.plans), tables: Tables::default() };
        for (name, rows) in rows {
            let batch = project.rows(name, rows)?;
            let root = project.source(name)?.root.clone();
            project.tables.insert(root, Table::batches(batch.schema(), vec![batch]));
        }
        Ok(project)
    }

    /// The source called `name`.
    pub fn source(&self, name: &str) -> Result<&Arc<SourcePlan>, String> {
        let found = self.plans.sources.values().find(|source| source.name.name == name);
        found.ok_or_else(|| format!("the text has no source `{name}`"))
    }

    /// The one service of the text.
    pub fn service(&self) -> Result<&Arc<ServicePlan>, String> {
        self.plans.services.values().next().ok_or_else(|| "the text has no service".to_owned())
    }

    /// The groups that read `source`.
    pub fn groups(&self, source: &str) -> Vec<Arc<GroupPlan>> {
        self.plans.groups.values().filter(|group| group.source.root.name == source).cloned().collect()
    }

    /// Rows of `source` as its file would hold them: nothing is cleaned.
    pub fn rows(&self, source: &str, rows: &[Map<String, Json>]) -> Result<RecordBatch, String> {
        let source = self.source(source)?;
        let columns: Vec<(String, Slot)> =
            source.stored.iter().map(|column| (column.name.clone(), column.slot.clone())).collect();
        batch(&columns, rows)
    }
}

/// What a service must be asked with: its key columns, then request columns.
pub fn inputs_of(service: &ServicePlan) -> Vec<(String, Slot)> {
    let keys = service.keys.iter().map(|(name, ty)| (name.clone(), Slot::nullable(ty.clone())));
    keys.chain(service.requests.iter().map(|input| (input.column.clone(), input.slot.clone()))).collect()
}

/// JSON rows as a batch of `columns`, floats as they are written, NaN and `-0.0` among them.
pub fn batch(columns: &[(String, Slot)], rows: &[Map<String, Json>]) -> Result<RecordBatch, String> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (name, slot) in columns {
        fields.push(Field::new(name, slot.ty.arrow(), true));
        arrays.push(array(name, &slot.ty, rows)?);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|cause| cause.to_string())
}

fn array(name: &str, ty: &Type, rows: &[Map<String, Json>]) -> Result<ArrayRef, String> {
    if *ty == Type::Float {
        let raw = |row: &Map<String, Json>| match row.get(name) {
            Some(Json::String(text)) => text.parse().ok(),
            Some(number) => number.as_f64(),
            None => None,
        };
        return Ok(Arc::new(rows.iter().map(raw).collect::<Float64Array>()));
    }
    // An enum is written as its string.
    let written = if matches!(ty, Type::Enum(_)) { "string?".to_owned() } else { format!("{ty}?") };
    let read = |row: &Map<String, Json>| {
        Val::read(row.get(name), &written)
            .map(|val| value_of(&val))
            .map_err(|_| format!("`{name}` of {row:?} is no {ty}"))
    };
    Ok(column::array(ty, &rows.iter().map(read).collect::<Result<Vec<_>, _>>()?))
}

/// A value of a column as the definition writes it.
pub fn cell(array: &dyn Array, ty: &Type, row: usize) -> Val {
    val(&column::value(array, ty, row), ty)
}

/// An engine for the tests: two cores, however many there are, so that hash partitions exist.
pub fn session() -> Result<Session, String> {
    let resources = feat_batch::Resources { cores: Some(2), ..feat_batch::Resources::default() };
    Session::new(&resources).map_err(|cause| cause.to_string())
}
