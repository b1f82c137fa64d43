//! The gate: what every call passes before it is answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use feat_registry::{Actor, Registry};
use http::{Request, Response};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{debug, warn};

use crate::auth::{Caller, Keys, Needs, needs, writes};
use crate::current::Clock;
use crate::deadline;
use crate::error::ServeError;
use crate::metrics::Metrics;

/// More refusals than this wait to be entered in the audit log; further ones are counted only.
const MOST_WAITING: usize = 1024;

/// What is left of a deadline for the way back.
const WAY_BACK: Duration = Duration::from_millis(2);

/// Lets calls in; clones are the same.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Post>);

/// What a gate has.
struct Post {
    keys: Option<Keys>,
    room: Arc<Semaphore>,
    metrics: Metrics,
}

/// A decision for the audit log.
struct Decision {
    at: feat_kernel::time::Instant,
    caller: String,
    path: String,
    allowed: bool,
    why: String,
}

impl Gate {
    /// Lets in `at_once` calls at a time; with `keys`, those that have one and its role.
    ///
    /// What is decided is entered in `registry`'s audit log by a task of its own.
    pub(crate) fn new(
        registry: Option<Registry>,
        keys: Option<Keys>,
        at_once: usize,
        metrics: Metrics,
        clock: &Clock,
    ) -> (Self, impl Fn(&Caller, &str, bool, &str) + Clone + Send + Sync + use<>) {
        let audit = registry.map(|registry| {
            let (send, mut receive) = mpsc::channel::<Decision>(MOST_WAITING);
            tokio::spawn(async move {
                while let Some(one) = receive.recv().await {
                    let actor = Actor { principal: &one.caller, channel: "grpc", at: one.at };
                    if let Err(error) = registry.audit(&actor, &one.path, "", one.allowed, &one.why).await {
                        warn!(%error, "a decision was not entered in the audit log");
                    }
                }
            });
            send
        });
        let (send, clock) = (audit, Arc::clone(clock));
        let post = Post { keys, room: Arc::new(Semaphore::new(at_once)), metrics: metrics.clone() };
        let tell = move |caller: &Caller, path: &str, allowed: bool, why: &str| {
            let Some(send) = &send else { return };
            let decision = Decision {
                at: clock(),
                caller: caller.name().to_owned(),
                path: path.to_owned(),
                allowed,
                why: why.to_owned(),
            };
            if send.try_send(decision).is_err() {
                metrics.unaudited();
            }
        };
        (Self(Arc::new(post)), tell)
    }
}

/// Tells the audit log.
pub(crate) type Tell = Arc<dyn Fn(&Caller, &str, bool, &str) + Send + Sync>;

/// The gate as a layer around the services.
#[derive(Clone)]
pub(crate) struct GateLayer {
    pub(crate) gate: Gate,
    pub(crate) tell: Tell,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.gate.clone(), tell: Arc::clone(&self.tell) }
    }
}

/// Services behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    inner: S,
    gate: Gate,
    tell: Tell,
}

type Answering<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that is ready answers; the next call gets a fresh one.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let (gate, tell) = (self.gate.clone(), Arc::clone(&self.tell));
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let under_way = UnderWay::begin(&gate, &path);
            let Ok(_room) = gate.0.room.clone().try_acquire_owned() else {
                under_way.end("8");
                return Ok(tonic::Status::from(ServeError::Busy).into_http());
            };
            let within = deadline::of(request.headers());
            let answered = async {
                let header = request.headers().get(http::header::AUTHORIZATION);
                let header = header.and_then(|header| header.to_str().ok()).map(str::to_owned);
                let caller = match gate.admitted(&path, header.as_deref()).await {
                    Ok(caller) => caller,
                    Err((caller, error)) => {
                        debug!(path, caller = caller.name(), %error, "a call was refused");
                        tell(&caller, &path, false, &error.to_string());
                        return Ok(Err(error));
                    }
                };
                if writes(&path) && gate.0.keys.is_some() {
                    tell(&caller, &path, true, "");
                }
                request.extensions_mut().insert(caller);
                inner.call(request).await.map(Ok)
            };
            let answered = match within {
                None => answered.await?,
                // The transport would end it too, and call it cancelled.
                Some(within) => match timeout(within.saturating_sub(WAY_BACK), answered).await {
                    Ok(answered) => answered?,
                    Err(_) => Err(ServeError::Late(format!(
                        "the caller's deadline of {within:?} is over: the store, or the work behind the call, takes longer"
                    ))),
                },
            };
            let response = match answered {
                Ok(response) => response,
                Err(error) => {
                    under_way.end(&(error.code() as i32).to_string());
                    return Ok(refusal(&path, error));
                }
            };
            // Without trailers yet to come, the code stands among the headers.
            let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok());
            under_way.end(code.unwrap_or("0"));
            Ok(response)
        })
    }
}

/// A refusal as its caller reads it: those of metrics speak plain HTTP.
fn refusal(path: &str, error: ServeError) -> Response<Body> {
    let mut response = tonic::Status::from(error).into_http();
    if path == "/metrics" {
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
    }
    response
}

impl Gate {
    /// Who calls, if they may.
    async fn admitted(&self, path: &str, header: Option<&str>) -> Result<Caller, (Caller, ServeError)> {
        let Some(keys) = &self.0.keys else { return Ok(Caller::anonymous()) };
        let needed = match needs(path) {
            Some(Needs::Nothing) => return Ok(Caller::anonymous()),
            Some(Needs::Role(role)) => Some(role),
            None => None,
        };
        let holder = keys.holder(header).await.map_err(|error| (Caller::anonymous(), error))?;
        match needed {
            Some(role) if holder.role >= Some(role) => Ok(holder.caller),
            Some(role) => {
                let text = format!(
                    "`{}` has no role that may call {path}: it needs {}",
                    holder.caller.name(),
                    role.as_str()
                );
                Err((holder.caller, ServeError::Denied(text)))
            }
            None => Err((holder.caller, ServeError::Denied(format!("nobody may call {path}")))),
        }
    }
}

/// A call under way; one that its caller leaves ends, too.
struct UnderWay {
    gate: Gate,
    method: String,
    ended: bool,
}

impl UnderWay {
    fn begin(gate: &Gate, path: &str) -> Self {
        gate.0.metrics.begun();
        // What anybody can make up is no label.
        let method = if needs(path).is_some() { path.to_owned() } else { "other".to_owned() };
        Self { gate: gate.clone(), method, ended: false }
    }

    fn end(mut self, code: &str) {
        self.ended = true;
        self.gate.0.metrics.ended(std::mem::take(&mut self.method), code);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.ended {
            self.gate.0.metrics.gave_up();
        }
    }
}
