//! `feat serve` under load, on a Redis and on the embedded store: latency, rate, and CPU a call, beside servers
//! that do nothing but answer ([`bare`]) and perhaps another build of feat. Each is a process of its own; all
//! are measured in turns, so that what disturbs the machine disturbs all.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use feat_proto::v1;
use feat_proto::v1::value::Kind;
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::{Process, free_ports, wait_for};
use prost::Message as _;

use crate::bare;
use crate::load::{Asking, Taken, connect, load, request};
use crate::site::{self, FEW, TWENTY, USERS, value};
use crate::stopwatch::percentile;

const IN_FLIGHT: [usize; 3] = [1, 8, 64];
const ROUNDS: u64 = 3;
/// How long a server is asked in one round.
const LASTING: Duration = Duration::from_secs(2);

pub(crate) type Result<T> = std::result::Result<T, String>;

pub(crate) fn text(cause: impl std::fmt::Display) -> String {
    cause.to_string()
}

/// What is measured of a service.
struct Work {
    title: &'static str,
    service: &'static str,
    users: i64,
    entities: &'static [usize],
}

const WORKS: [Work; 4] = [
    Work { title: "20 plain values", service: "twenty", users: USERS, entities: &[1, 10, 100] },
    Work {
        title: "4 windows of 6 aggregates, 40 tiles",
        service: "windows",
        users: FEW,
        entities: &[1, 10, 100],
    },
    Work { title: "250 values in 25 groups", service: "wide", users: FEW, entities: &[1] },
    Work { title: "50 values in 5 groups", service: "fifty", users: FEW, entities: &[100] },
];

/// One that answers.
struct Server {
    name: String,
    process: Process,
    address: String,
}

impl Server {
    /// Starts a process that `command` makes for a port, and waits until it listens there.
    fn start(name: &str, folder: &Path, command: impl FnOnce(u16) -> Command) -> Self {
        let [port] = free_ports();
        let mut command = command(port);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command, folder);
        wait_for(name, || {
            assert!(process.ended().is_none(), "{name} has ended: {command:?}");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { name: name.to_owned(), process, address: format!("127.0.0.1:{port}") }
    }

    /// A `feat serve` of the project in `folder`.
    fn feat(name: &str, binary: &Path, folder: &Path) -> Self {
        Self::start(name, folder, |port| {
            let mut command = Command::new(binary);
            command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]).current_dir(folder);
            command
        })
    }
}

/// Measures; `words` are services and numbers of entities, if not all are to be measured, and other binaries
/// of feat, which are measured on the Redis.
pub(crate) async fn measure(words: &[String]) -> Result<()> {
    let (others, words): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| Path::new(word).is_file());
    let (numbers, services): (Vec<&String>, Vec<&String>) =
        words.into_iter().partition(|word| word.parse::<usize>().is_ok());
    let wanted = |among: &[&String], word: &str| among.is_empty() || among.iter().any(|one| *one == word);
    let place = tempfile::tempdir().map_err(text)?;
    let redis = RedisServer::start(&[]);
    site::write_data(place.path())?;
    let (shared, own) = (place.path().join("redis"), place.path().join("embedded"));
    site::load(&shared, &redis.url())?;
    site::load(&own, "embedded:.feat/online")?;
    bare::fill(&redis.url()).await?;

    let binary = site::binary()?;
    let mut feats =
        vec![Server::feat("feat, Redis", &binary, &shared), Server::feat("feat, embedded", &binary, &own)];
    for other in others {
        let other = PathBuf::from(other).canonicalize().map_err(text)?;
        let name = format!("{}, Redis", other.file_name().unwrap_or_default().display());
        feats.push(Server::feat(&name, &other, &shared));
    }
    let answer = place.path().join("answer");
    for server in &feats {
        let asked = request("twenty", vec![7]);
        let given = connect(&server.address).await?.get_features(asked).await.map_err(text)?.into_inner();
        check(&given)?;
        std::fs::write(&answer, given.encode_to_vec()).map_err(text)?;
        println!("{}: an answer of 20 values has {} bytes", server.name, given.encoded_len());
    }
    let bare = |name, kind| {
        Server::start(name, place.path(), |port| {
            let mut command = Command::new(std::env::current_exe().expect("a bench knows its own file"));
            command.args(["bare", kind, &port.to_string(), &redis.url()]).arg(&answer);
            command
        })
    };
    let packed = bare("packed GET", "packed");
    let (echo, values) = (bare("echo", "echo"), bare("packed GET, values alone", "values"));

    let redis = redis.process().ok_or("the Redis has ended")?;
    for work in WORKS.iter().filter(|work| wanted(&services, work.service)) {
        for &entities in work.entities.iter().filter(|entities| wanted(&numbers, &entities.to_string())) {
            println!("\n{entities} {}, {}\n", if entities == 1 { "entity" } else { "entities" }, work.title);
            println!(
                "| in flight | who | p50 ms | p99 ms | p99.9 ms | requests/s | server µs | Redis µs | CPU | p50 | rate |"
            );
            println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
            for in_flight in IN_FLIGHT {
                // What all are compared with is the first.
                let mut servers = vec![&packed];
                if work.service == "twenty" {
                    servers.push(&values);
                    servers.extend((entities == 1).then_some(&echo));
                }
                servers.extend(&feats);
                let asking = Asking { service: work.service, entities, users: work.users, in_flight };
                row(&servers, asking, redis).await?;
            }
        }
    }
    Ok(())
}

/// Whether the answer about user 7 says what was loaded.
fn check(answer: &v1::GetFeaturesResponse) -> Result<()> {
    let values = &answer.rows.first().ok_or("nothing is answered")?.values;
    let right = values.iter().enumerate().all(|(column, one)| {
        let expected = Some(Kind::Float(value(7, column)));
        one.status() == v1::Status::Present && one.value.as_ref().is_some_and(|one| one.kind == expected)
    });
    if right && values.len() == TWENTY { Ok(()) } else { Err(format!("a wrong answer: {values:?}")) }
}

/// Measures `servers` in turns and prints a line each.
async fn row(servers: &[&Server], asking: Asking, redis: u32) -> Result<()> {
    let mut taken: Vec<Taken> = servers.iter().map(|_| Taken::default()).collect();
    for round in 0..ROUNDS {
        for (server, taken) in servers.iter().zip(&mut taken) {
            let watched = [server.process.id(), redis];
            taken.add(load(&server.address, asking, LASTING, &watched, round).await?);
        }
    }
    let mut first = None;
    for (server, mut taken) in servers.iter().zip(taken) {
        taken.times.sort_unstable();
        let calls = taken.times.len().max(1) as f64;
        let ms = |share| percentile(&taken.times, share).as_secs_f64() * 1e3;
        let each = |at: usize| taken.cpu[at].as_secs_f64() * 1e6 / calls;
        let (p50, rate, cpu) = (ms(0.5), calls / taken.wall.as_secs_f64(), each(0));
        let (of_cpu, of_p50, of_rate) = *first.get_or_insert((cpu, p50, rate));
        println!(
            "| {} | {} | {p50:.2} | {:.2} | {:.2} | {rate:.0} | {cpu:.1} | {:.1} | {:.2} | {:.2} | {:.2} |",
            asking.in_flight,
            server.name,
            ms(0.99),
            ms(0.999),
            each(1),
            cpu / of_cpu,
            p50 / of_p50,
            rate / of_rate,
        );
    }
    Ok(())
}
