//! What the random logs exercised: for each aggregate and each way to write it, how many values were
//! compared and how many of them said something. A zero is a hole in the tests, and fails.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::draw::AGGREGATES;
use crate::oracle::Answer;
use crate::oracle::spec::{Feature, Group};
use crate::text::base;

/// The columns of the table: window forms, then what else a feature may have.
pub const COLUMNS: [&str; 7] = ["duration", "every", "offset", "list", "all", "where", "ttl"];

/// How many values were compared, and how many were neither null nor zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Compared with the definition.
    pub compared: u64,
    /// Neither null, nor zero, nor empty.
    pub telling: u64,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    cells: BTreeMap<(String, &'static str), Count>,
}

impl Coverage {
    /// Counts one compared value of `feature`.
    pub fn count(&mut self, group: &Group, feature: &Feature, answer: &Answer) {
        let form = match &feature.over {
            over if over.length.is_none() => "all",
            over if over.offset.is_some() => "offset",
            _ if base(feature).is_some() => "list",
            over if over.every.is_some() => "every",
            _ => "duration",
        };
        let marks = [Some(form), (!feature.filter.is_empty()).then_some("where"), group.ttl.map(|_| "ttl")];
        for column in marks.into_iter().flatten() {
            let cell = self.cells.entry((feature.aggregate.clone(), column)).or_default();
            cell.compared += 1;
            cell.telling += u64::from(answer.value.is_telling());
        }
    }

    /// Adds the counts of another table.
    pub fn add(&mut self, other: &Self) {
        for (at, count) in &other.cells {
            let cell = self.cells.entry(at.clone()).or_default();
            cell.compared += count.compared;
            cell.telling += count.telling;
        }
    }

    /// The cells without a telling value, as `aggregate × column`.
    pub fn holes(&self) -> Vec<String> {
        let all = AGGREGATES.iter().flat_map(|&aggregate| COLUMNS.map(|column| (aggregate, column)));
        all.filter(|(aggregate, column)| self.at(aggregate, column).telling == 0)
            .map(|(aggregate, column)| format!("{aggregate} × {column}"))
            .collect()
    }

    fn at(&self, aggregate: &str, column: &'static str) -> Count {
        self.cells.get(&(aggregate.to_owned(), column)).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Coverage {
    /// One line an aggregate; each cell is `telling/compared`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut header = format!("{:<22}", "telling/compared");
        for column in COLUMNS {
            let _ = write!(header, "{column:>15}");
        }
        writeln!(f, "{header}")?;
        for aggregate in AGGREGATES {
            write!(f, "{aggregate:<22}")?;
            for column in COLUMNS {
                let Count { compared, telling } = self.at(aggregate, column);
                write!(f, "{:>15}", format!("{telling}/{compared}"))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::draw;
    use crate::oracle::Oracle;

    #[test]
    fn a_few_hundred_draws_leave_no_hole() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.holes().len(), AGGREGATES.len() * COLUMNS.len());
        for seed in 0..300 {
            let drawn = draw(seed);
            let oracle = Oracle::new(drawn.spec.clone(), &drawn.rows);
            for request in &drawn.requests {
                for group in &drawn.spec.groups {
                    let answers = oracle.group(group, &request.key, request.at, usize::MAX);
                    for (feature, (_, answer)) in group.features.iter().zip(&answers) {
                        coverage.count(group, feature, answer);
                    }
                }
            }
        }
        assert_eq!(coverage.holes(), Vec::<String>::new(), "\n{coverage}");
    }
}
