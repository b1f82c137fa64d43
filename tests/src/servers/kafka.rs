//! A real Apache Kafka broker: one node of `KRaft` in a folder of its own.
//!
//! ```text
//!  CLIENT   127.0.0.1:a   what the test connects to; SASL/PLAIN, or TLS and SCRAM, if asked for
//!  INTERNAL 127.0.0.1:b   the broker to itself
//!  CONTROL  127.0.0.1:c   the controller, in the same process
//! ```
//!
//! `tests/servers/kafka` fetches what it runs on. Everything panics with the broker's own words:
//! a test cannot go on without it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tempfile::TempDir;

use super::authority::Authority;
use super::{Process, free_ports, wait_for};

/// Starting took 5 to 10 s on two cores that also compiled: this is for worse.
const STARTED_WITHIN: Duration = Duration::from_secs(90);
/// Of one request; the broker is on this machine.
const ANSWERED_WITHIN: Duration = Duration::from_mins(1);
/// How clients log in that come by TLS.
const SCRAM: &str = "SCRAM-SHA-512";
/// A broker is small and short-lived: it must start quickly more than it must run fast.
const JVM: [&str; 7] = [
    "-Xms64m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// What a test may want otherwise of its broker.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Clients must log in with this name and password: by SASL/PLAIN, with `tls` by SCRAM.
    pub login: Option<(String, String)>,
    /// Clients come by TLS and trust this authority.
    pub tls: Option<Arc<Authority>>,
    /// Settings of the broker, such as `log.segment.bytes`; they win over those of the tests.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// How clients come.
    fn protocol(&self) -> &'static str {
        match (&self.login, &self.tls) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SASL_PLAINTEXT",
            (None, Some(_)) => "SSL",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// How they log in.
    fn mechanism(&self) -> &'static str {
        if self.tls.is_some() { SCRAM } else { "PLAIN" }
    }
}

/// What a consumer says next; none if it says nothing in `time`. It says by the way that a connection is
/// gone, which it makes anew by itself: that is passed over.
pub fn said<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    time: Duration,
) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
    let started = Instant::now();
    loop {
        match consumer.poll(time.saturating_sub(started.elapsed()))? {
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut,
            )) => {}
            said => return Some(said),
        }
    }
}

/// A broker that answers.
#[derive(Debug)]
pub struct KafkaBroker {
    process: Process,
    ports: [u16; 3],
    options: Options,
    folder: TempDir,
}

impl KafkaBroker {
    /// Formats a storage, starts a broker on it and waits until it answers.
    pub fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = free_ports();
        let settings = settings(folder.path(), ports, &options);
        fs::write(folder.path().join("server.properties"), settings).expect("the broker's settings");
        let mut format = java(folder.path(), "kafka.tools.StorageTool");
        // Any 16 bytes as URL-safe base64.
        format.args(["format", "--standalone", "--cluster-id", "ZmVhdCB0ZXN0cyBrYWZrYQ", "--config"]);
        format.arg("server.properties");
        if let (Some((name, password)), Some(_)) = (&options.login, &options.tls) {
            format.args(["--add-scram", &format!("{SCRAM}=[name={name},password={password}]")]);
        }
        let output = format.output().expect("java starts");
        assert!(output.status.success(), "{format:?}: {output:?}");
        let process = run(folder.path());
        let mut broker = Self { process, ports, options, folder };
        broker.wait();
        broker
    }

    /// Where clients connect: `host:port`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Settings of a client that may connect, for more to be added.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        // A broker killed by the test is back within a second or two: do not wait for ten.
        config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "200");
        config.set("security.protocol", self.options.protocol());
        if let Some(authority) = &self.options.tls {
            config.set("ssl.ca.location", authority.file("ca.pem").display().to_string());
        }
        if let Some((name, password)) = &self.options.login {
            config.set("sasl.mechanism", self.options.mechanism());
            config.set("sasl.username", name).set("sasl.password", password);
        }
        config
    }

    /// Creates a topic; `settings` are the topic's, such as `message.timestamp.type`.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let made = block_on(self.admin().create_topics([&topic], &answered()));
        made.expect("the broker answers").remove(0).expect("the topic is created");
    }

    /// Deletes a topic and creates one of the same name, with settings as of [`Self::create_topic`].
    pub fn recreate_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let gone = block_on(self.admin().delete_topics(&[name], &answered()));
        gone.expect("the broker answers").remove(0).expect("the topic is deleted");
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        // The old one goes in the background.
        wait_for("the topic to be created again", || {
            let made = block_on(self.admin().create_topics([&topic], &answered()));
            made.expect("the broker answers").remove(0).ok()
        });
    }

    /// Gives a topic more partitions: `total` of them.
    pub fn add_partitions(&self, topic: &str, total: usize) {
        let more = NewPartitions::new(topic, total);
        let made = block_on(self.admin().create_partitions([&more], &answered()));
        made.expect("the broker answers").remove(0).expect("the partitions are created");
    }

    /// Moves the start of a partition's log to the offset `before`.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
        let deleted =
            block_on(self.admin().delete_records(&offsets, &answered())).expect("the broker answers");
        deleted.elements()[0].error().expect("the records are deleted");
    }

    /// Ends it as `kill -9` does; [`Self::restart`] brings it back.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it in good order; [`Self::restart`] brings it back.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Suspends it: connections stay open and nothing answers.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Ends what [`Self::pause`] began.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Starts it again on the same ports and data, after ending it if it still runs.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.folder.path());
        self.wait();
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("an admin client")
    }

    /// Waits for the first answer. Asking takes as long as the connection needs, so nothing sleeps.
    fn wait(&mut self) {
        let admin = self.admin();
        let started = Instant::now();
        loop {
            let answer = admin.inner().fetch_metadata(None, Duration::from_millis(250));
            if answer.as_ref().is_ok_and(|metadata| metadata.brokers().len() == 1) {
                return;
            }
            let ended = self.process.ended();
            if ended.is_some() || started.elapsed() > STARTED_WITHIN {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("the broker did not start ({ended:?}, {:?}); it wrote:\n{log}", answer.err());
            }
        }
    }
}

fn answered() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWERED_WITHIN)).operation_timeout(Some(ANSWERED_WITHIN))
}

fn run(folder: &Path) -> Process {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("the broker's log");
    let errors = log.try_clone().expect("a file opened twice");
    Process::spawn(java(folder, "kafka.Kafka").arg("server.properties").stdout(log).stderr(errors), folder)
}

/// Java about to run a class of Kafka's in `folder`.
fn java(folder: &Path, class: &str) -> Command {
    let told = |name: &str| {
        let value = std::env::var_os(name).map(PathBuf::from);
        value.unwrap_or_else(|| {
            panic!("{name} is not set: eval \"$(tests/servers/kafka CACHE)\", as ./test does")
        })
    };
    let mut command = Command::new(told("FEAT_JAVA"));
    command.args(JVM).arg("-cp").arg(told("FEAT_KAFKA_JARS").join("*")).arg(class).current_dir(folder);
    command
}

/// The broker's settings: one replica of everything, internal topics of one partition, and every
/// interval that makes a group wait as short as the broker takes.
fn settings(folder: &Path, [client, internal, control]: [u16; 3], options: &Options) -> String {
    let security = options.protocol();
    let mut text = format!(
        "process.roles=broker,controller
node.id=1
log.dirs={}
controller.quorum.bootstrap.servers=127.0.0.1:{control}
listeners=CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal},CONTROL://127.0.0.1:{control}
advertised.listeners=CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal}
listener.security.protocol.map=CLIENT:{security},INTERNAL:PLAINTEXT,CONTROL:PLAINTEXT
inter.broker.listener.name=INTERNAL
controller.listener.names=CONTROL
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
group.consumer.min.session.timeout.ms=500
group.consumer.session.timeout.ms=3000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=200
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
controller.quorum.election.timeout.ms=100
controlled.shutdown.enable=false
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
",
        folder.join("data").display()
    );
    if let Some((name, password)) = &options.login {
        let (mechanism, modules) = (options.mechanism(), "org.apache.kafka.common.security");
        let module = match options.tls {
            // The storage knows who may log in.
            Some(_) => format!("{modules}.scram.ScramLoginModule required;"),
            None => format!("{modules}.plain.PlainLoginModule required user_{name}=\"{password}\";"),
        };
        let _infallible = write!(
            text,
            "listener.name.client.sasl.enabled.mechanisms={mechanism}\n\
             listener.name.client.{}.sasl.jaas.config={module}\n",
            mechanism.to_lowercase()
        );
    }
    if let Some(authority) = &options.tls {
        let _infallible = write!(
            text,
            "listener.name.client.ssl.keystore.type=PEM\nlistener.name.client.ssl.keystore.location={}\n",
            authority.file("server.pem").display()
        );
    }
    for (key, value) in &options.settings {
        let _infallible = writeln!(text, "{key}={value}");
    }
    text
}
