//! Calls one after the other from several callers at once: how long each took, and what the processes that
//! answered used meanwhile.

use std::time::{Duration, Instant as Clock};

use feat_proto::v1;
use feat_proto::v1::column::Values;
use feat_proto::v1::get_features_request::Entities;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_proto::v1::value::Kind;
use feat_tests::dice::Dice;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::serve::{Result, text};
use crate::stopwatch::cpu_of;

/// Connections are shared by callers beyond so many.
const CONNECTIONS: usize = 4;
/// How long callers call before it counts.
const WARM: Duration = Duration::from_millis(300);

/// What is asked, again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) service: &'static str,
    /// How many entities a call is about.
    pub(crate) entities: usize,
    /// The users that there are, from 0.
    pub(crate) users: i64,
    /// How many calls are under way at once.
    pub(crate) in_flight: usize,
}

/// What calls took.
#[derive(Default)]
pub(crate) struct Taken {
    /// Each call.
    pub(crate) times: Vec<Duration>,
    /// All of them together.
    pub(crate) wall: Duration,
    /// CPU time of each process that was watched.
    pub(crate) cpu: Vec<Duration>,
}

impl Taken {
    /// Counts what was measured later among this.
    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.wall += other.wall;
        self.cpu.resize(other.cpu.len(), Duration::ZERO);
        self.cpu.iter_mut().zip(other.cpu).for_each(|(all, one)| *all += one);
    }
}

/// The request about `users`: a row each of few, a column of many, and the answer in the same form.
pub(crate) fn request(service: &str, users: Vec<i64>) -> v1::GetFeaturesRequest {
    let (entities, form) = if users.len() < 100 {
        let row = |user| {
            let key = v1::Value { kind: Some(Kind::Int(user)) };
            v1::Row { values: [("user_id".to_owned(), key)].into() }
        };
        (Entities::Rows(v1::Rows { rows: users.into_iter().map(row).collect() }), v1::Form::Rows)
    } else {
        let name = "user_id".to_owned();
        let values = Some(Values::Ints(v1::Ints { values: users }));
        let column = v1::Column { name, values, nulls: Vec::new() };
        (Entities::Columns(v1::Columns { columns: vec![column] }), v1::Form::Columns)
    };
    v1::GetFeaturesRequest {
        services: vec![service.to_owned()],
        entities: Some(entities),
        form: form.into(),
        ..v1::GetFeaturesRequest::default()
    }
}

/// A client of the server at `address`.
pub(crate) async fn connect(address: &str) -> Result<OnlineServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(text)?.tcp_nodelay(true);
    Ok(OnlineServiceClient::new(endpoint.connect().await.map_err(text)?))
}

/// Asks the server at `address` for so long.
///
/// Errors: a call fails, or is not answered whole.
pub(crate) async fn load(
    address: &str,
    asking: Asking,
    lasting: Duration,
    watched: &[u32],
    seed: u64,
) -> Result<Taken> {
    let mut clients = Vec::new();
    for _ in 0..asking.in_flight.min(CONNECTIONS) {
        clients.push(connect(address).await?);
    }
    let start = Clock::now() + WARM;
    let end = start + lasting;
    let mut callers = JoinSet::new();
    for caller in 0..asking.in_flight {
        let client = clients[caller % clients.len()].clone();
        let dice = Dice::new(seed * 1000 + caller as u64);
        callers.spawn(call(client, asking, dice, start, end));
    }
    let used = || watched.iter().map(|process| cpu_of(&process.to_string())).collect::<Vec<_>>();
    tokio::time::sleep_until(start.into()).await;
    let before = used();
    tokio::time::sleep_until(end.into()).await;
    let cpu = used().into_iter().zip(before).map(|(after, before)| after.saturating_sub(before)).collect();
    let mut times = Vec::new();
    while let Some(done) = callers.join_next().await {
        times.extend(done.map_err(text)??);
    }
    Ok(Taken { times, wall: lasting, cpu })
}

/// Calls until `end`; what each call took that lay between.
async fn call(
    mut client: OnlineServiceClient<Channel>,
    asking: Asking,
    mut dice: Dice,
    start: Clock,
    end: Clock,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let users = (0..asking.entities).map(|_| dice.between(0, asking.users)).collect();
        let request = request(asking.service, users);
        let begun = Clock::now();
        if begun >= end {
            return Ok(times);
        }
        let answer = client.get_features(request).await.map_err(text)?.into_inner();
        let done = Clock::now();
        let rows = answer.columns.first().map_or(answer.rows.len(), |column| column.statuses.len());
        if rows != asking.entities {
            return Err(format!("{rows} rows are answered, not {}", asking.entities));
        }
        if begun >= start && done <= end {
            times.push(done - begun);
        }
    }
}
