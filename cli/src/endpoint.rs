//! What a running stream tells over HTTP: `/metrics` for Prometheus, `/healthz`, `/status` for `feat status`.
//!
//! A handful of requests a minute, each of one line and without a body: what is needed of HTTP is to read
//! a request's head, which `httparse` does, and to close the connection after the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use feat_streaming::Metrics;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::standing::{Letters, Survey};

/// A request, and its answer, may take so long.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long Kafka and the store may take to say how far a group is, before a person is told that they do
/// not answer.
const ASKED: Duration = Duration::from_secs(30);

/// The same for Prometheus, which waits for 10 s unless it is told otherwise: metrics are then told
/// without the lag.
const SCRAPED: Duration = Duration::from_secs(5);

/// No request's head is longer.
const LONGEST_HEAD: usize = 8 << 10;

/// No answer is longer.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Header lines of a request or an answer; what has more is refused.
const HEADERS: usize = 64;

/// Requests at once; the next ones wait.
const AT_ONCE: usize = 8;

/// Questions for a status at once, each of which may wait long for Kafka: fewer, so that they never take
/// the places of all others.
const STATUSES: usize = 2;

/// The text form of `OpenMetrics`, which Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What answers are made of.
struct Told {
    survey: Survey,
    metrics: Metrics,
    /// Places for those who ask for the status.
    statuses: Semaphore,
}

/// Where a stream can be asked.
#[derive(Debug)]
pub(crate) struct Endpoint {
    listener: TcpListener,
}

impl Endpoint {
    /// Listens at `address`. Anyone who can connect can ask: names of groups and topics and numbers are
    /// told, values and settings never.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("metrics cannot be served at {address}"))?;
        Ok(Self { listener })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn serve(self, survey: Survey, metrics: Metrics) {
        let told = Arc::new(Told { survey, metrics, statuses: Semaphore::new(STATUSES) });
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Of one connection, or of too many open files: the next may do better.
                    warn!(%error, "a connection for metrics failed");
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let told = Arc::clone(&told);
            tokio::spawn(async move {
                let answered = timeout(PATIENCE, answer(stream, &told)).await;
                match answered {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => debug!(%error, "a request for metrics was not answered"),
                    Err(_) => debug!("a request for metrics took too long"),
                }
                drop(place);
            });
        }
    }
}

async fn answer(mut stream: TcpStream, told: &Told) -> Result<()> {
    let (method, path) = timeout(SCRAPED, request(&mut stream)).await??;
    let path = path.split('?').next().unwrap_or_default();
    let (code, kind, body) = match (method.as_str(), path) {
        ("GET" | "HEAD", "/metrics") => ("200 OK", OPEN_METRICS, scrape(told).await),
        ("GET" | "HEAD", "/healthz") => ("200 OK", "text/plain", "ok\n".to_owned()),
        ("GET" | "HEAD", "/status") => match status(told).await {
            Ok(standing) => ("200 OK", "application/json", standing),
            Err(error) => ("503 Service Unavailable", "text/plain", format!("{error:#}\n")),
        },
        ("GET" | "HEAD", _) => {
            ("404 Not Found", "text/plain", "there are /metrics, /healthz and /status\n".to_owned())
        }
        _ => ("405 Method Not Allowed", "text/plain", "ask with GET\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes()).await?;
    }
    Ok(stream.shutdown().await?)
}

/// How every group stands, as `feat status` reads it.
async fn status(told: &Told) -> Result<String> {
    let Ok(_place) = told.statuses.try_acquire() else { bail!("others are asking, ask again") };
    let standing = timeout(ASKED, told.survey.read(Letters::Counted)).await;
    let silent = || format!("the store or Kafka did not answer within {} s", ASKED.as_secs());
    Ok(serde_json::to_string(&standing.with_context(silent)??)?)
}

/// The metrics, how far every group is among them.
async fn scrape(told: &Told) -> String {
    let Told { survey, metrics, .. } = told;
    match timeout(SCRAPED, survey.read(Letters::Left)).await {
        Ok(Ok(standing)) => standing.tell(metrics),
        // What was known before would look like what is.
        Ok(Err(error)) => {
            metrics.forget_lag();
            debug!(error = format!("{error:#}"), "how far the groups are is not known");
        }
        Err(_) => metrics.forget_lag(),
    }
    metrics.text()
}

/// Method and path of a request.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Result<(String, String)> {
    let mut head = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(&head)?.is_complete() {
            let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
            return Ok((method.to_owned(), path.to_owned()));
        }
        if head.len() >= LONGEST_HEAD || stream.read_buf(&mut head).await? == 0 {
            bail!("a request without an end");
        }
    }
}

/// What a stream at `address` says to `path`; `None` if nobody is there.
///
/// Errors: something else is there, or the stream cannot say.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> Result<Option<String>> {
    let asked = timeout(PATIENCE, async {
        let Ok(mut stream) = TcpStream::connect(address).await else { return Ok(None) };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut found = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut found).await?;
        Ok(Some(found))
    });
    let found = asked.await.with_context(|| format!("what listens at {address} does not answer"))?;
    let Some(found) = found.map_err(|cause: std::io::Error| anyhow::Error::new(cause))? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = response.parse(&found) else {
        bail!("what listens at {address} is no stream of feat's")
    };
    let code = response.code;
    let body = String::from_utf8_lossy(&found[length..]).into_owned();
    if code != Some(200) {
        bail!("the stream at {address} cannot say: {}", body.trim());
    }
    Ok(Some(body))
}
