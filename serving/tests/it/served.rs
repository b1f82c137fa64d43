//! A real server on a free port, and what is asked of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use feat_compiler::secrets::Secrets;
use feat_kernel::time::Instant;
use feat_proto::v1;
use feat_proto::v1::get_features_request::Entities;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_proto::v1::value::Kind;
use feat_registry::Registry;
use feat_serving::{Access, Catalog, Current, Limits, Metrics, Server};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::lanes::minute;

pub(crate) const PARCELS: &[crate::lanes::Parcel] = &[
    ("oslo", "rome", 5, 10.0, 0),
    ("oslo", "rome", 7, 20.0, 20),
    ("", "oslo", 1, 1.0, 21),
    ("rome", "oslo", i64::MAX, 3.0, 22),
    ("rome", "oslo", i64::MAX, 3.0, 23),
    ("oslo", "bern", 9, 30.0, 30),
];

/// A server under test.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) current: Current,
    pub(crate) metrics: Metrics,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) running: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start(
        catalog: Catalog,
        registry: Option<Registry>,
        access: Access,
        limits: Limits,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (current, metrics) = (Current::new(catalog), Metrics::default());
        let now = Arc::new(AtomicI64::new(minute(25).0));
        let clock = {
            let now = Arc::clone(&now);
            Arc::new(move || Instant(now.load(Ordering::SeqCst)))
        };
        let server = Server {
            current: current.clone(),
            registry,
            secrets: Secrets::default(),
            trainer: None,
            clock,
            limits,
            access,
            identity: None,
            metrics: metrics.clone(),
            answers: None,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let stopped = async {
                let _gone = stopped.await;
            };
            server.run(listener, stopped).await.unwrap();
        });
        Self { address, current, metrics, now, stop: Some(stop), running }
    }

    pub(crate) async fn open(catalog: Catalog) -> Self {
        Self::start(catalog, None, Access::Open, Limits::default()).await
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.address.clone()).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> OnlineServiceClient<Channel> {
        OnlineServiceClient::new(self.channel().await)
    }
}

pub(crate) fn kind(kind: Kind) -> v1::Value {
    v1::Value { kind: Some(kind) }
}

pub(crate) fn string(text: &str) -> v1::Value {
    kind(Kind::String(text.to_owned()))
}

pub(crate) fn values(pairs: &[(&str, v1::Value)]) -> HashMap<String, v1::Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub(crate) fn lane(origin: &str, dest: &str) -> v1::Row {
    v1::Row { values: values(&[("origin", string(origin)), ("dest", string(dest))]) }
}

/// What is asked of `quotes` for some lanes.
pub(crate) fn quotes(rows: Vec<v1::Row>) -> v1::GetFeaturesRequest {
    v1::GetFeaturesRequest {
        services: vec!["quotes".to_owned()],
        entities: Some(Entities::Rows(v1::Rows { rows })),
        inputs: values(&[("price", kind(Kind::Float(14.0))), ("bonus", kind(Kind::Int(100)))]),
        ..v1::GetFeaturesRequest::default()
    }
}
