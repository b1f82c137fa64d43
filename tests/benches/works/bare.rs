//! Servers that are no feature store, beside which `serve` measures: what a call alone takes, and a call with
//! one read of a Redis. Each is a process of its own, `works bare KIND PORT REDIS ANSWER`.
//!
//! | kind | reads | answers |
//! | --- | --- | --- |
//! | `echo` | nothing | a message that feat gave for one user |
//! | `packed` | one `MGET`, 20 doubles a user | the same message with the values read |
//! | `values` | the same | those values, without names and stamps |

use std::net::Ipv4Addr;
use std::path::Path;

use feat_proto::v1;
use feat_proto::v1::column::Values;
use feat_proto::v1::get_features_request::Entities;
use feat_proto::v1::online_service_server::{OnlineService, OnlineServiceServer};
use feat_proto::v1::value::Kind;
use prost::Message as _;
use redis::aio::MultiplexedConnection;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::serve::{Result, text};
use crate::site::{TWENTY, USERS, value};

/// Milliseconds of hours, such as ages are.
const AGE: i64 = 60_123_456;

/// The Redis key of a user's values.
fn key(user: i64) -> String {
    format!("p:{user}")
}

/// Writes the values of every user, each user's in one.
pub(crate) async fn fill(url: &str) -> Result<()> {
    let mut redis = connection(url).await?;
    for first in (0..USERS).step_by(1000) {
        let mut set = redis::cmd("MSET");
        for user in first..first + 1000 {
            let packed: Vec<u8> = (0..TWENTY).flat_map(|column| value(user, column).to_le_bytes()).collect();
            set.arg(key(user)).arg(packed);
        }
        set.exec_async(&mut redis).await.map_err(text)?;
    }
    Ok(())
}

async fn connection(url: &str) -> Result<MultiplexedConnection> {
    let client = redis::Client::open(url).map_err(text)?;
    client.get_multiplexed_async_connection().await.map_err(text)
}

/// Answers until it is killed.
pub(crate) async fn run(words: &[String]) -> Result<()> {
    let [kind, port, url, answer] = words else { return Err("bare KIND PORT REDIS ANSWER".to_owned()) };
    let answer = std::fs::read(Path::new(answer)).map_err(text)?;
    let answer = v1::GetFeaturesResponse::decode(&*answer).map_err(text)?;
    let redis = if kind == "echo" { None } else { Some(connection(url).await?) };
    let frame = match kind.as_str() {
        "echo" => answer,
        "packed" => v1::GetFeaturesResponse { rows: Vec::new(), ..answer },
        _ => v1::GetFeaturesResponse::default(),
    };
    let port = port.parse().map_err(text)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(text)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let service = OnlineServiceServer::new(Bare { redis, frame });
    Server::builder().add_service(service).serve_with_incoming(incoming).await.map_err(text)
}

/// A server that knows one question.
struct Bare {
    redis: Option<MultiplexedConnection>,
    /// The answer without its values; with them where nothing is read.
    frame: v1::GetFeaturesResponse,
}

#[tonic::async_trait]
impl OnlineService for Bare {
    async fn get_features(
        &self,
        request: Request<v1::GetFeaturesRequest>,
    ) -> std::result::Result<Response<v1::GetFeaturesResponse>, Status> {
        let Some(redis) = &self.redis else { return Ok(Response::new(self.frame.clone())) };
        let request = request.into_inner();
        let mut get = redis::cmd("MGET");
        for user in users(&request) {
            get.arg(key(user));
        }
        let found: Vec<Vec<u8>> = get
            .query_async(&mut redis.clone())
            .await
            .map_err(|cause| Status::unavailable(cause.to_string()))?;
        let mut answer = self.frame.clone();
        match request.form() {
            v1::Form::Columns => answer.columns = (0..TWENTY).map(|at| column(&found, at)).collect(),
            v1::Form::Rows | v1::Form::Unspecified => {
                answer.rows = found.iter().map(|one| row(one)).collect();
            }
        }
        Ok(Response::new(answer))
    }

    async fn describe_service(
        &self,
        _: Request<v1::DescribeServiceRequest>,
    ) -> std::result::Result<Response<v1::DescribeServiceResponse>, Status> {
        Err(Status::unimplemented("a bare server describes nothing"))
    }
}

/// The users that are asked about.
fn users(request: &v1::GetFeaturesRequest) -> Vec<i64> {
    match &request.entities {
        None => Vec::new(),
        Some(Entities::Rows(rows)) => rows
            .rows
            .iter()
            .filter_map(|row| match row.values.get("user_id")?.kind.as_ref()? {
                Kind::Int(user) => Some(*user),
                _ => None,
            })
            .collect(),
        Some(Entities::Columns(columns)) => match columns.columns.first().and_then(|one| one.values.as_ref())
        {
            Some(Values::Ints(ints)) => ints.values.clone(),
            _ => Vec::new(),
        },
    }
}

fn double(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().unwrap_or_default())
}

fn row(packed: &[u8]) -> v1::FeatureRow {
    let value = |bytes: &[u8]| v1::FeatureValue {
        value: Some(v1::Value { kind: Some(Kind::Float(double(bytes))) }),
        status: v1::Status::Present.into(),
        age: Some(AGE),
    };
    v1::FeatureRow { values: packed.chunks_exact(8).map(value).collect() }
}

fn column(packed: &[Vec<u8>], at: usize) -> v1::FeatureColumn {
    let values = packed.iter().map(|one| one.get(at * 8..at * 8 + 8).map_or(0.0, double)).collect();
    v1::FeatureColumn {
        values: Some(v1::Column {
            name: format!("plain.c{at}"),
            values: Some(Values::Floats(v1::Floats { values })),
            nulls: Vec::new(),
        }),
        statuses: vec![v1::Status::Present.into(); packed.len()],
        ages: vec![AGE; packed.len()],
    }
}
