//! What is made of what, walked from one name.

use std::collections::BTreeSet;

use sqlx::Row;

use crate::database::Registry;
use crate::error::RegistryError;

/// `to` is made of `from`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The full name of what it is made of.
    pub from: String,
    /// The full name of what is made.
    pub to: String,
    /// `identity`, `transformation`, `aggregation`, `filter`, `group_by`, …
    pub kind: String,
    /// The part of the text that says so.
    pub text: String,
}

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what it is made of.
    Upstream,
    /// To what is made of it.
    Downstream,
}

impl Registry {
    /// The edges within `depth` steps (0: any number) of `name`, as the newest revision has them, training
    /// sets that were made of services among them.
    ///
    /// Shape: each edge once, nearest first.
    /// Absent: empty for what is made of nothing, or of which nothing is made.
    pub async fn lineage(
        &self,
        name: &str,
        direction: Direction,
        depth: usize,
    ) -> Result<Vec<Edge>, RegistryError> {
        let edges = self.edges().await?;
        // A group stands for its features, a source for its columns.
        let part = |other: &str| {
            other.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let ends = edges.iter().flat_map(|edge| [edge.from.as_str(), edge.to.as_str()]);
        let mut reached: BTreeSet<&str> = ends.filter(|end| part(end)).collect();
        let mut found: Vec<Edge> = Vec::new();
        let mut at: Vec<&str> = reached.iter().copied().collect();
        let mut steps = 0;
        while !at.is_empty() && (depth == 0 || steps < depth) {
            steps += 1;
            let mut further = Vec::new();
            for edge in &edges {
                let (here, there) = match direction {
                    Direction::Upstream => (&edge.to, &edge.from),
                    Direction::Downstream => (&edge.from, &edge.to),
                };
                if at.contains(&here.as_str()) {
                    found.push(edge.clone());
                    if reached.insert(there) {
                        further.push(there.as_str());
                    }
                }
            }
            at = further;
        }
        Ok(found)
    }

    async fn edges(&self) -> Result<Vec<Edge>, RegistryError> {
        let Some(head) = self.head().await? else { return Ok(Vec::new()) };
        let failed = |cause| self.failed(cause);
        let rows = sqlx::query(
            "SELECT src_urn, dst_urn, kind, expr_text FROM lineage_edge WHERE revision_id = $1
             ORDER BY src_urn, dst_urn, kind",
        )
        .bind(head.id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        let edge = |row: &sqlx::sqlite::SqliteRow| Edge {
            from: row.get(0),
            to: row.get(1),
            kind: row.get(2),
            text: row.get(3),
        };
        let mut edges: Vec<Edge> = rows.iter().map(edge).collect();
        let services: Vec<String> = sqlx::query_scalar(
            "SELECT o.name FROM object o JOIN project p ON p.id = o.project_id
             WHERE p.name = $1 AND o.kind = 'service' ORDER BY o.name",
        )
        .bind(self.project())
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        // A service is made of its columns.
        let mut columns: BTreeSet<(String, String)> = BTreeSet::new();
        for edge in &edges {
            let of = |service: &&String| {
                edge.to.strip_prefix(service.as_str()).is_some_and(|rest| rest.starts_with('.'))
            };
            if let Some(service) = services.iter().find(of) {
                columns.insert((edge.to.clone(), service.clone()));
            }
        }
        edges.extend(columns.into_iter().map(|(from, to)| Edge {
            from,
            to,
            kind: "identity".to_owned(),
            text: String::new(),
        }));
        let sets = sqlx::query(
            "SELECT s.id, s.urn FROM training_set s JOIN project p ON p.id = s.project_id WHERE p.name = $1
             ORDER BY s.id",
        )
        .bind(self.project())
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        for row in sets {
            let (id, urn): (String, String) = (row.get(0), row.get(1));
            let from = urn.rsplit_once('/').map_or(urn.clone(), |(_, name)| name.to_owned());
            edges.push(Edge {
                from,
                to: format!("training set {id}"),
                kind: "identity".to_owned(),
                text: String::new(),
            });
        }
        Ok(edges)
    }
}
