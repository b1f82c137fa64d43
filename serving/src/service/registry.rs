//! `RegistryService`: what is deployed, and how it changes.

use feat_compiler::diff::{Change, Class};
use feat_compiler::objects::Kind;
use feat_compiler::secrets::Secrets;
use feat_compiler::{Compiled, SourceMap, compile_with};
use feat_proto::v1;
use feat_proto::v1::registry_service_server::RegistryService;
use feat_registry::lineage::Direction;
use feat_registry::objects::{Archived, Entry, Version};
use feat_registry::urn::Urn;
use feat_registry::{Actor, Plan, Registry};
use tonic::{Request, Response, Status};

use crate::auth::Caller;
use crate::convert;
use crate::current::Clock;
use crate::error::ServeError;

/// Answers from the registry, and applies to it.
#[derive(Clone)]
pub(crate) struct Registrar {
    pub(crate) registry: Registry,
    pub(crate) secrets: Secrets,
    pub(crate) clock: Clock,
}

#[tonic::async_trait]
impl RegistryService for Registrar {
    async fn plan(&self, request: Request<v1::PlanRequest>) -> Result<Response<v1::PlanResponse>, Status> {
        let (plan, ..) = self.planned(&request.get_ref().files).await?;
        Ok(Response::new(v1::PlanResponse {
            changes: self.changes(&plan),
            plan_hash: plan.hash.clone(),
            blocked: !plan.blocked().is_empty(),
        }))
    }

    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Result<Response<v1::ApplyResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let (plan, compiled, texts) = self.planned(&request.files).await?;
        if !request.plan_hash.is_empty() && request.plan_hash != plan.hash {
            return Err(Status::aborted(format!(
                "plan {} is stale: the files or what is deployed are no longer what it was made of; plan again",
                request.plan_hash
            )));
        }
        let actor = Actor { principal: caller.name(), channel: "grpc", at: (self.clock)() };
        let revision =
            self.registry.apply(&plan, &compiled, &texts, &actor).await.map_err(ServeError::from)?;
        Ok(Response::new(v1::ApplyResponse { changes: self.changes(&plan), revision }))
    }

    async fn get_object(
        &self,
        request: Request<v1::GetObjectRequest>,
    ) -> Result<Response<v1::Object>, Status> {
        let entry = self.registry.object(&request.get_ref().name).await.map_err(ServeError::from)?;
        Ok(Response::new(object(entry)))
    }

    async fn list_objects(
        &self,
        request: Request<v1::ListObjectsRequest>,
    ) -> Result<Response<v1::ListObjectsResponse>, Status> {
        let v1::ListObjectsRequest { kind, contains, archived } = request.into_inner();
        let archived = if archived { Archived::Shown } else { Archived::Hidden };
        let found = self.registry.objects(&kind, &contains, archived).await.map_err(ServeError::from)?;
        Ok(Response::new(v1::ListObjectsResponse { objects: found.into_iter().map(object).collect() }))
    }

    async fn list_versions(
        &self,
        request: Request<v1::ListVersionsRequest>,
    ) -> Result<Response<v1::ListVersionsResponse>, Status> {
        let entry = self.registry.object(&request.get_ref().name).await.map_err(ServeError::from)?;
        let found = self.registry.versions(&entry).await.map_err(ServeError::from)?;
        Ok(Response::new(v1::ListVersionsResponse { versions: found.into_iter().map(version).collect() }))
    }

    async fn get_lineage(
        &self,
        request: Request<v1::GetLineageRequest>,
    ) -> Result<Response<v1::GetLineageResponse>, Status> {
        let request = request.into_inner();
        let direction = match request.direction() {
            v1::Direction::Downstream => Direction::Downstream,
            v1::Direction::Upstream | v1::Direction::Unspecified => Direction::Upstream,
        };
        let entry = self.registry.object(&request.name).await.map_err(ServeError::from)?;
        let edges = self.registry.lineage(&entry.name, direction, request.depth as usize).await;
        let edge = |edge: feat_registry::lineage::Edge| v1::Edge {
            kind: v1::EdgeKind::from_str_name(&format!(
                "EDGE_KIND_{}",
                edge.kind.to_uppercase().replace(' ', "_")
            ))
            .unwrap_or_default()
            .into(),
            from: edge.from,
            to: edge.to,
            text: edge.text,
        };
        let edges = edges.map_err(ServeError::from)?.into_iter().map(edge).collect();
        Ok(Response::new(v1::GetLineageResponse { edges }))
    }
}

impl Registrar {
    /// The plan of files over what is deployed.
    async fn planned(&self, files: &[v1::File]) -> Result<(Plan, Compiled, SourceMap), ServeError> {
        if files.is_empty() {
            return Err(ServeError::Request(
                "no file is sent: send every `.feat` file of the project".to_owned(),
            ));
        }
        let mut texts = SourceMap::new();
        let mut files: Vec<&v1::File> = files.iter().collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        if let Some(two) = files.windows(2).find(|two| two[0].path == two[1].path) {
            return Err(ServeError::Request(format!("file `{}` is sent twice", two[0].path)));
        }
        for file in files {
            texts.add(file.path.clone(), file.text.clone());
        }
        let deployed = self.registry.deployed(&self.secrets).await?;
        let secrets = self.secrets.clone();
        // Thousands of features take a moment: not one of those that answer lookups.
        let compiling = tokio::task::spawn_blocking(move || (compile_with(&texts, &secrets), texts));
        let (compiled, texts) = compiling.await.map_err(|_| {
            ServeError::Internal(
                "the compiler stopped at these files: this is a fault of feat's, not of theirs".to_owned(),
            )
        })?;
        if compiled.has_errors() {
            return Err(ServeError::Request(report(&compiled, &texts)));
        }
        let plan = Plan::new(self.registry.project(), deployed.as_ref(), &compiled, &texts)?;
        Ok((plan, compiled, texts))
    }

    fn changes(&self, plan: &Plan) -> Vec<v1::Change> {
        let fills = |change: &Change| {
            change.kind == Kind::Group && plan.fills.iter().any(|(group, _)| *group == change.name)
        };
        let change = |change: &Change| v1::Change {
            urn: Urn::new(change.kind, self.registry.project(), &change.name).to_string(),
            kind: change.kind.to_string(),
            name: change.name.clone(),
            class: class(change.class).into(),
            reason: change.reason.clone(),
            code: change.code.map_or_else(String::new, |code| code.to_string()),
            dependents: change
                .dependents
                .iter()
                .map(|name| Urn::new(Kind::Service, self.registry.project(), name).to_string())
                .collect(),
            cost: if fills(change) {
                "online values are filled from the beginning of the log".to_owned()
            } else {
                String::new()
            },
        };
        plan.changes.iter().map(change).collect()
    }
}

/// The errors of files, as `feat check` says them, a line each.
fn report(compiled: &Compiled, texts: &SourceMap) -> String {
    let errors = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let lines = errors.map(|error| {
        let ((line, column), _) = texts.line_column(error.span);
        let help = error.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        format!("{}:{line}:{column}: {}: {}{help}", texts.path(error.span.file), error.code, error.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn class(class: Class) -> v1::ChangeClass {
    match class {
        Class::Initial => v1::ChangeClass::Initial,
        Class::Metadata => v1::ChangeClass::Metadata,
        Class::Compatible => v1::ChangeClass::Compatible,
        Class::Behavioural => v1::ChangeClass::Behavioural,
        Class::Breaking => v1::ChangeClass::Breaking,
    }
}

fn object(entry: Entry) -> v1::Object {
    let lifecycle = match entry.lifecycle.as_str() {
        "active" => v1::Lifecycle::Active,
        "deprecated" => v1::Lifecycle::Deprecated,
        _ => v1::Lifecycle::Archived,
    };
    v1::Object {
        urn: entry.urn,
        kind: entry.kind,
        name: entry.name,
        parent: entry.parent,
        doc: entry.doc,
        owners: entry.owners,
        tags: entry.tags,
        lifecycle: lifecycle.into(),
        r#type: entry.version.ty.clone(),
        version: Some(version(entry.version)),
    }
}

fn version(version: Version) -> v1::Version {
    let name = format!("CHANGE_CLASS_{}", version.class.to_uppercase());
    v1::Version {
        major: version.major,
        minor: version.minor,
        meaning: version.meaning,
        class: v1::ChangeClass::from_str_name(&name).unwrap_or_default().into(),
        state: version.state,
        text: version.text,
        path: version.path,
        created_at: Some(convert::timestamp(version.created_at)),
        created_by: version.created_by,
        revision: version.revision,
    }
}
