//! The server: the services of `feat.v1` at an address, behind the gate, until it is asked to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use feat_compiler::secrets::Secrets;
use feat_proto::v1::online_service_server::OnlineServiceServer;
use feat_proto::v1::registry_service_server::RegistryServiceServer;
use feat_proto::v1::training_service_server::TrainingServiceServer;
use feat_registry::Registry;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::{Identity, Server as Transport, ServerTlsConfig};

use crate::answer_log::AnswerLog;
use crate::auth::Keys;
use crate::current::{Clock, Current};
use crate::error::ServeError;
use crate::gate::{Gate, GateLayer};
use crate::metrics::Metrics;
use crate::service::online::Online;
use crate::service::registry::Registrar;
use crate::service::training::{Trainer, Training};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The text form of `OpenMetrics`, which Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How much a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message that is received.
    pub message: usize,
    /// Rows of a lookup.
    pub rows: usize,
    /// Calls under way at once.
    pub calls: usize,
    /// Training sets under way at once.
    pub training_sets: usize,
    /// Bytes of a spine that is sent.
    pub spine: u64,
    /// How long calls under way may take to end once the server is asked to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            rows: 10_000,
            calls: 1024,
            training_sets: 2,
            spine: 8 << 30,
            drain: Duration::from_secs(20),
        }
    }
}

/// Whether callers must have keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody may do everything.
    Open,
    /// Who has a key may do what its roles allow, and nobody else anything.
    Keys,
}

/// Everything a server is made of.
pub struct Server {
    /// What lookups are answered from.
    pub current: Current,
    /// What is deployed; without one there is no `RegistryService`.
    pub registry: Option<Registry>,
    /// What expressions of applied files may name.
    pub secrets: Secrets,
    /// Makes training sets; without one there is no `TrainingService`.
    pub trainer: Option<Arc<dyn Trainer>>,
    /// The wall clock.
    pub clock: Clock,
    /// How much it takes.
    pub limits: Limits,
    /// Who may call.
    pub access: Access,
    /// A certificate and its key in PEM: then callers come by TLS.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Where it counts.
    pub metrics: Metrics,
    /// What takes a sample of what is answered.
    pub answers: Option<Arc<AnswerLog>>,
}

impl Server {
    /// Answers calls at `listener` until `stop`, and then ends those under way.
    ///
    /// Errors: the certificate is none, keys are asked for without a registry, or the address fails.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        self.serve(listener, Box::pin(stop)).await
    }

    /// [`Server::run`]. Boxed, and of no type of the caller's, so that what answers is compiled here, for
    /// speed, and not in the caller's crate.
    fn serve(self, listener: TcpListener, stop: Boxed<()>) -> Boxed<Result<(), ServeError>> {
        Box::pin(self.answer(listener, stop))
    }

    async fn answer(self, listener: TcpListener, stop: Boxed<()>) -> Result<(), ServeError> {
        let keys = match (self.access, &self.registry) {
            (Access::Open, _) => None,
            (Access::Keys, Some(registry)) => Some(Keys::new(registry.clone(), Arc::clone(&self.clock))),
            (Access::Keys, None) => {
                return Err(ServeError::State(
                    "keys are kept in the registry, and nothing was applied yet: `feat apply` first"
                        .to_owned(),
                ));
            }
        };
        let (gate, tell) =
            Gate::new(self.registry.clone(), keys, self.limits.calls, self.metrics.clone(), &self.clock);
        let metrics = self.metrics.clone();
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(feat_proto::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(|cause| ServeError::Internal(cause.to_string()))?;
        let online = Online {
            current: self.current,
            clock: Arc::clone(&self.clock),
            metrics: metrics.clone(),
            rows: self.limits.rows,
            answers: self.answers,
        };
        let most = self.limits.message;
        let online = OnlineServiceServer::new(online)
            .max_decoding_message_size(most)
            .max_encoding_message_size(usize::MAX);
        health.set_serving::<OnlineServiceServer<Online>>().await;
        let mut routes = Routes::new(health_service).add_service(reflection).add_service(online);
        if let Some(trainer) = self.trainer {
            let training = Training::new(trainer, self.limits.training_sets, self.limits.spine);
            let service = TrainingServiceServer::new(training).max_decoding_message_size(most);
            routes = routes.add_service(service.max_encoding_message_size(usize::MAX));
            health.set_serving::<TrainingServiceServer<Training>>().await;
        }
        if let Some(registry) = self.registry {
            let registrar = Registrar { registry, secrets: self.secrets, clock: self.clock };
            let service = RegistryServiceServer::new(registrar).max_decoding_message_size(most);
            routes = routes.add_service(service.max_encoding_message_size(usize::MAX));
            health.set_serving::<RegistryServiceServer<Registrar>>().await;
        }
        let told = metrics.clone();
        let told = axum::routing::get(move || {
            let text = told.text();
            async move { ([(http::header::CONTENT_TYPE, OPEN_METRICS)], text) }
        });
        let grpc = std::mem::take(routes.axum_router_mut());
        *routes.axum_router_mut() =
            grpc.route("/metrics", told).route("/healthz", axum::routing::get(|| async { "ok\n" }));
        let mut transport = Transport::builder()
            // Prometheus asks by it.
            .accept_http1(true)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_adaptive_window(Some(true));
        if let Some((certificate, key)) = &self.identity {
            // Whoever came first has chosen: it stays.
            let _kept = rustls::crypto::ring::default_provider().install_default();
            let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
            transport = transport.tls_config(tls).map_err(|cause| {
                ServeError::State(format!("the certificate or its key cannot be used: {}", chain(&cause)))
            })?;
        }
        let incoming = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |socket| {
            let socket = socket?;
            // An answer of a few bytes must not wait for more.
            socket.set_nodelay(true)?;
            Ok::<_, std::io::Error>(socket)
        });
        let (asked, mut drained) = tokio::sync::watch::channel(false);
        let stop = async {
            stop.await;
            // Whoever balances sees it before calls are refused.
            health.set_not_serving::<OnlineServiceServer<Online>>().await;
            asked.send_replace(true);
        };
        let serving = transport
            .layer(GateLayer { gate, tell: Arc::new(tell) })
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop);
        let overdue = async {
            let _asked = drained.wait_for(|asked| *asked).await.is_ok();
            let end = tokio::time::Instant::now() + self.limits.drain;
            tokio::time::sleep_until(end).await;
        };
        tokio::select! {
            served = serving => served.map_err(|cause| ServeError::Internal(format!("the server failed: {}", chain(&cause)))),
            () = overdue => Ok(()),
        }
    }
}

/// Binds an address; port 0 is any that is free.
///
/// Errors: it is taken, or not this machine's.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|cause| {
        ServeError::State(format!("cannot listen at {address}: {cause}; say another with `--listen`"))
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(found) = cause {
        text = format!("{text}: {found}");
        cause = found.source();
    }
    text
}
