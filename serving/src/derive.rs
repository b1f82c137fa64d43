//! Derived groups: expressions over what groups and the request give.

use std::collections::HashMap;
use std::sync::Arc;

use feat_compiler::plan::{DerivedPlan, DerivedUse, ServicePlan};
use feat_kernel::time::Instant;
use feat_kernel::types::Type;

use crate::group::{Columns, NEVER, Served, instants};
use crate::inputs::Inputs;
use crate::status::Status;
use crate::values::Values;

/// A derived group of a service, with every column it reads found.
#[derive(Debug)]
pub(crate) struct Derived {
    plan: Arc<DerivedPlan>,
    /// Its evaluator's columns by name.
    columns: Vec<(String, Origin)>,
    /// For each feature the served features it is made of.
    inputs: Vec<Vec<usize>>,
}

/// Where a column comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Feature(usize),
    Request(usize),
    Key(usize),
    AsOf,
}

impl Derived {
    /// Finds the columns of `used` among the features in `places` and adds its own to them.
    pub(crate) fn new(service: &ServicePlan, used: &DerivedUse, places: &mut HashMap<String, usize>) -> Self {
        let plan = Arc::clone(&used.derived);
        let origin = |name: &str| {
            let request =
                || service.requests.iter().position(|input| input.name == name).map(Origin::Request);
            let key = || used.keys.iter().find(|(key, _)| key == name).map(|(_, at)| Origin::Key(*at));
            let feature = places.get(name).copied().map(Origin::Feature);
            let other = || if name == "as_of" { Some(Origin::AsOf) } else { None };
            feature
                .or_else(request)
                .or_else(key)
                .or_else(other)
                .unwrap_or_else(|| panic!("invariant: service `{}` provides `{name}`", service.name))
        };
        let columns = plan.evaluator.inputs().map(|name| (name.to_owned(), origin(name))).collect();
        let made_of =
            |inputs: &Vec<String>| inputs.iter().filter_map(|name| places.get(name).copied()).collect();
        let inputs = plan.features.iter().map(|feature| made_of(&feature.inputs)).collect();
        for feature in &plan.features {
            places.insert(format!("{}.{}", used.prefix, feature.name), places.len());
        }
        Self { plan, columns, inputs }
    }

    /// Appends the group's features at `t` to `served`, in the group's order; `types` are those of what is
    /// served.
    pub(crate) fn evaluate(&self, inputs: &Inputs, t: Instant, types: &[Type], served: &mut Vec<Served>) {
        let mut columns = Columns::new(inputs.rows);
        for (name, origin) in &self.columns {
            let column = match *origin {
                Origin::Feature(at) => served[at].values.column(&types[at]),
                Origin::Request(at) => inputs.requests[at].clone(),
                Origin::Key(at) => inputs.keys[at].clone(),
                Origin::AsOf => instants(t, inputs.rows),
            };
            columns.push(name, column);
        }
        let evaluated = self.plan.evaluator.evaluate(&columns.batch());
        for (at, (values, made_of)) in evaluated.columns.iter().zip(&self.inputs).enumerate() {
            let status = |row: usize| {
                let own = if evaluated.erred(at, row) { Status::Error } else { Status::Present };
                made_of.iter().map(|&input| served[input].statuses[row]).fold(own, Status::max)
            };
            let statuses = (0..inputs.rows).map(status).collect();
            let changed = if let [one] = made_of[..] {
                Arc::clone(&served[one].changed)
            } else {
                let oldest = |row| made_of.iter().map(|&input| served[input].changed[row]).min();
                (0..inputs.rows).map(|row| oldest(row).unwrap_or(NEVER)).collect()
            };
            served.push(Served { values: Values::Column(Arc::clone(values)), statuses, changed });
        }
    }
}
