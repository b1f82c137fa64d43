//! A Redis, and a cluster of some: started, stopped, killed, and brought back from an older dump.
//!
//! The program is `$FEAT_REDIS_SERVER`, or `redis-server` on the path; `tests/servers/redis` fetches it.

#![expect(clippy::unwrap_used, reason = "a server that does not start is a failure of the test")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{Process, free_ports, wait_for};

/// A Redis of a test's own.
#[derive(Debug)]
pub struct RedisServer {
    options: Vec<String>,
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server with these options besides its port and folder, such as `--maxmemory 10mb`. It
    /// saves nothing by itself.
    pub fn start(options: &[&str]) -> Self {
        Self::start_with(|_, _| options.iter().map(|option| (*option).to_owned()).collect())
    }

    /// Starts a server with the options that `options` makes for its folder and another free port.
    pub fn start_with(options: impl Fn(&Path, u16) -> Vec<String>) -> Self {
        wait_for("a port for a redis-server", || {
            let ([port, other], folder) = (free_ports(), TempDir::new().unwrap());
            let options = options(folder.path(), other);
            let mut server = Self { options, folder, port, process: None };
            server.begin().then_some(server)
        })
    }

    /// Whether the server runs and answers; not if another process has its port.
    fn begin(&mut self) -> bool {
        let program = std::env::var_os("FEAT_REDIS_SERVER").map_or("redis-server".into(), PathBuf::from);
        let port = self.port.to_string();
        let mut arguments: Vec<String> =
            ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir", "."].map(str::to_owned).into();
        arguments.extend(self.options.iter().cloned());
        let log = self.folder.path().join("log");
        let [out, errors] = [(); 2].map(|()| File::options().create(true).append(true).open(&log).unwrap());
        let mut command = Command::new(&program);
        command.args(&arguments).current_dir(self.folder.path()).stdout(out).stderr(errors);
        let process = Process::spawn(&mut command, self.folder.path());
        let id = process.id().to_string();
        self.process = Some(process);
        wait_for("an answer of redis-server", || {
            if let Ok(answer) = self.try_say(&["INFO"]) {
                let ours = answer.lines().any(|line| line.strip_prefix("process_id:") == Some(&id));
                let loading = answer.lines().any(|line| line == "loading:1");
                return (!loading).then_some(ours);
            }
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(!said.contains("FATAL CONFIG"), "{said}");
            said.contains("Address already in use").then_some(false)
        })
    }

    /// The url of the server.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of the server's process, for a signal.
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Asks the server to stop without saving, and waits until it has.
    pub fn stop(&mut self) {
        // It answers by closing the connection.
        let _closed = self.try_say(&["SHUTDOWN", "NOSAVE"]);
        self.process = None;
    }

    /// Starts a stopped or killed server again, on its port and with what it saved last.
    pub fn restart(&mut self) {
        self.process = None;
        assert!(self.begin(), "port {} was taken meanwhile", self.port);
    }

    /// Kills the server and starts it again with `dump`.
    pub fn restart_from(&mut self, dump: &[u8]) {
        self.kill();
        fs::write(self.folder.path().join("dump.rdb"), dump).unwrap();
        self.restart();
    }

    /// What the server would load if it started now.
    pub fn dump(&self) -> Vec<u8> {
        assert_eq!(self.say(&["SAVE"]), "OK");
        fs::read(self.folder.path().join("dump.rdb")).unwrap()
    }

    /// Sends a command and returns its answer as text: a list has a line each, an error begins with `-`.
    pub fn say(&self, command: &[&str]) -> String {
        self.try_say(command).unwrap()
    }

    fn try_say(&self, command: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let words = command.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        let text = format!("*{}\r\n{}", command.len(), words.collect::<String>());
        stream.write_all(text.as_bytes())?;
        answer(&mut BufReader::new(stream))
    }
}

fn answer(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at(1);
    Ok(match kind {
        "$" if rest != "-1" => {
            let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        "*" => {
            let lines = (0..rest.parse().unwrap_or(0)).map(|_: usize| answer(from));
            lines.collect::<Result<Vec<_>, _>>()?.join("\n")
        }
        "-" => line.trim_end().to_owned(),
        _ => rest.to_owned(),
    })
}

/// A Redis Cluster of masters.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster of so many masters, which share the slots evenly.
    pub fn start(masters: usize) -> Self {
        let node = |_| {
            RedisServer::start_with(|_, bus| {
                let bus = bus.to_string();
                ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", &bus]
                    .map(str::to_owned)
                    .into()
            })
        };
        let nodes: Vec<RedisServer> = (0..masters).map(node).collect();
        for (at, node) in nodes.iter().enumerate() {
            let (first, end) = (16384 * at / masters, 16384 * (at + 1) / masters);
            let range = [first.to_string(), (end - 1).to_string()];
            assert_eq!(node.say(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]), "OK");
            assert_eq!(node.say(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]), "OK");
            let bus = &node.options[5];
            let met = nodes[0].say(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
            assert_eq!(met, "OK");
        }
        let cluster = Self { nodes };
        cluster.settle();
        cluster
    }

    /// Waits until every master sees the whole cluster.
    pub fn settle(&self) {
        for node in &self.nodes {
            wait_for("a whole cluster", || {
                let info = node.say(&["CLUSTER", "INFO"]);
                let nodes = format!("cluster_known_nodes:{}", self.nodes.len());
                let whole = info.contains("cluster_state:ok") && info.contains(&nodes);
                (whole && info.contains("cluster_slots_ok:16384")).then_some(())
            });
        }
    }

    /// The url of the cluster, by its first node.
    pub fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port)
    }
}
