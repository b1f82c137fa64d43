//! Several processes of `feat stream` keep the same views together, each a share of their partitions.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use feat_tests::dice::Dice;
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::{free_ports, wait_for};

use crate::feat::{command, words};
use crate::shop::{answers, orders, project, refused, run, signal, topic_of, write};
use crate::status::{count, page, status, sum};

/// A process and where it is asked.
struct Kept {
    process: Child,
    port: u16,
}

impl Kept {
    fn start(folder: &Path, port: u16) -> Self {
        let said = fs::File::create(folder.join(format!("said-{port}"))).expect("a file");
        let mut command = command(folder, &words(&format!("stream --metrics 127.0.0.1:{port}")));
        let process = command.stdout(Stdio::null()).stderr(said).spawn().expect("it starts");
        Self { process, port }
    }

    /// A metric now; nothing while it does not answer.
    fn count(&self, metric: &str) -> Option<u64> {
        let (_, text) = page(self.port, "/metrics")?;
        Some(count(&text, &format!("feat_stream_{metric}")))
    }

    fn partitions(&self) -> u64 {
        self.count("partitions").unwrap_or(0)
    }

    fn end(mut self) {
        signal(&self.process, "TERM");
        assert!(self.process.wait().expect("it ends").success());
    }
}

/// Waits until these keep every partition of the view, each of them some.
fn shared(processes: &[&Kept]) {
    wait_for("the shares", || {
        let kept: Vec<u64> = processes.iter().map(|process| process.partitions()).collect();
        (kept.iter().sum::<u64>() == 8 && !kept.contains(&0)).then_some(())
    });
}

fn caught_up(folder: &Path, records: u64) {
    wait_for("the stream", || {
        let now = status(folder);
        (sum(&now, "/lag_records") == 0 && sum(&now, "/next") == records).then_some(())
    });
}

#[test]
fn processes_that_come_and_go_share_the_partitions_of_a_view() {
    let dice = &mut Dice::new(79);
    let orders = orders(1200, dice);
    let last = orders.last().expect("orders").0;
    let (topic, partitions) = ("shop.shared", 3);
    topic_of(topic, partitions);
    let redis = RedisServer::start(&[]);
    let more = format!(
        "consumer_group = \"shop.shared\"\n\"session.timeout.ms\" = 1500\n\"heartbeat.interval.ms\" = 100\n\
         [online]\nurl = \"{}\"\n",
        redis.url()
    );
    let place = project(topic, &orders, &more);
    let folder = place.path();
    let [one, two, three] = free_ports();

    write(topic, partitions, &orders[..300], dice);
    let one = Kept::start(folder, one);
    caught_up(folder, 300);
    shared(&[&one]);
    let mut two = Kept::start(folder, two);
    shared(&[&one, &two]);
    write(topic, partitions, &orders[300..600], dice);
    caught_up(folder, 600);
    for process in [&one, &two] {
        // Neither did what is the other's.
        assert!(process.count("commits_total").expect("it answers") > 0);
        assert_eq!(process.count("commit_conflicts_total"), Some(0));
    }
    // One that is gone without a word is missed after a while, and the other takes its share.
    two.process.kill().expect("it runs");
    two.process.wait().expect("it ended");
    write(topic, partitions, &orders[600..900], dice);
    caught_up(folder, 900);
    shared(&[&one]);
    // Who leaves in good order hands over at once; who keeps everything ends alone.
    let three = Kept::start(folder, three);
    shared(&[&one, &three]);
    one.end();
    shared(&[&three]);
    write(topic, partitions, &orders[900..], dice);
    caught_up(folder, 1200);
    three.end();
    run(folder, "stream --until-end");

    let replayed = project(topic, &orders, "");
    run(replayed.path(), "stream --replay --until-end");
    assert_eq!(answers(folder, last), answers(replayed.path(), last));
}

#[test]
fn a_consumer_group_of_another_kind_is_refused() {
    let place = project("shop.unshared", &[], "consumer_group = 7\n");
    fs::write(place.path().join("orders.jsonl"), "{}").expect("a file");
    refused(place.path(), "stream", &["consumer_group", "quotes"]);
}
