//! From a Kafka topic to a Redis: events a second, CPU of worker, client and Redis, how soon an event is
//! readable, and what an entity takes. The servers are started by the bench, on this machine.

use std::sync::Arc;
use std::time::{Duration, Instant as Clock, SystemTime};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use feat_compiler::plan::GroupPlan;
use feat_kernel::time::Instant;
use feat_kernel::value::Value;
use feat_serving::{Catalog, Inputs};
use feat_store::{RedisStore, Store};
use feat_streaming::kafka::{KafkaTopic, Producer, Settings, Until};
use feat_streaming::{Options, run};
use feat_tests::dice::Dice;
use feat_tests::servers::kafka::{KafkaBroker, Options as BrokerOptions};
use feat_tests::servers::redis::RedisServer;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::watch;

use crate::clicks;
use crate::stopwatch::{cpu, cpu_since, percentile};

const EVENTS: i64 = 400_000;
/// Where the history begins.
const START: i64 = 1_767_225_600_000_000;
const MINUTE: i64 = 60_000_000;
const APPENDS: i64 = 500;
const KEPT: i64 = 20_000;
/// How long one append may take to be seen before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, String>;

fn text(cause: impl std::fmt::Display) -> String {
    cause.to_string()
}

/// Prints the table of throughput, then latency and memory.
pub(crate) async fn measure() -> Result<()> {
    let plans = clicks::plans()?;
    let recent = clicks::group(&plans, "recent")?;
    let broker = KafkaBroker::start(BrokerOptions::default());
    let settings = Settings::new(broker.bootstrap(), []).map_err(text)?;
    println!("| partitions | entities | events/s | worker µs | of it client µs | Redis µs |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for entities in [2_000, 1_000_000] {
        for partitions in [1, 2, 4] {
            let topic = format!("clicks.{partitions}.{entities}");
            broker.create_topic(&topic, partitions, &[("retention.ms", "-1")]);
            fill(&topic, &settings, entities).await?;
            let row = throughput(&broker, &recent, &topic, &settings, partitions).await?;
            println!("| {partitions} | {entities} | {row} |");
        }
    }
    latency(&broker, &plans, &recent, &settings).await?;
    for (name, aggregates) in [("priced", 5), ("clicks", 6)] {
        memory(&broker, &clicks::group(&plans, name)?, aggregates, &settings).await?;
    }
    Ok(())
}

/// One event as its topic has it.
async fn send(producer: &Producer, id: i64, user: i64, at: Instant) -> Result<()> {
    let price = (id % 10_000) as f64 / 100.0;
    let value = format!(r#"{{"event_id":{id},"user_id":{user},"price":{price},"ts":"{at}"}}"#);
    producer.send(Some(&user.to_string()), value.as_bytes(), at).await.map_err(text)
}

/// Writes events of so many users, a millisecond apart.
async fn fill(topic: &str, settings: &Settings, entities: i64) -> Result<()> {
    let producer = Producer::open(topic, settings).map_err(text)?;
    let mut dice = Dice::new(7);
    for id in 0..EVENTS {
        send(&producer, id, dice.between(1, entities), Instant(START + id * 1000)).await?;
    }
    tokio::task::spawn_blocking(move || producer.flush()).await.map_err(text)?.map_err(text)
}

/// One worker for the topic: the cells of a row.
async fn throughput(
    broker: &KafkaBroker,
    group: &Arc<GroupPlan>,
    topic: &str,
    settings: &Settings,
    partitions: i32,
) -> Result<String> {
    let redis = RedisServer::start(&[]);
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&redis.url()).await.map_err(text)?);
    let log = KafkaTopic::open(&group.source, topic, settings.clone(), Until::End).await.map_err(text)?;
    let (start, used, redis_used) = (Clock::now(), cpu(), redis_cpu(&redis));
    let report = run(&store, &[Arc::clone(group)], &log, &Options::default(), &|_| ()).await.map_err(text)?;
    let (wall, worker) = (start.elapsed(), cpu_since(used));
    let redis_cpu = redis_cpu(&redis) - redis_used;
    if report.groups[0].counts.read != EVENTS as u64 {
        return Err(format!("{} of {EVENTS} events were read", report.groups[0].counts.read));
    }
    let client = drained(broker, topic, partitions)?;
    let each = |all: f64| all * 1e6 / EVENTS as f64;
    Ok(format!(
        "{:.0} k | {:.2} | {:.2} | {:.2}",
        EVENTS as f64 / wall.as_secs_f64() / 1000.0,
        each(worker.as_secs_f64()),
        each(client.as_secs_f64()),
        each(redis_cpu)
    ))
}

/// CPU time of reading the topic and doing nothing.
fn drained(broker: &KafkaBroker, topic: &str, partitions: i32) -> Result<Duration> {
    let consumer: BaseConsumer = broker.client().set("group.id", "drained").create().map_err(text)?;
    let mut parts = TopicPartitionList::new();
    for partition in 0..partitions {
        parts.add_partition_offset(topic, partition, Offset::Beginning).map_err(text)?;
    }
    let used = cpu();
    consumer.assign(&parts).map_err(text)?;
    let mut left = EVENTS;
    while left > 0 {
        let record = consumer.poll(PATIENCE).ok_or("the broker does not answer")?.map_err(text)?;
        left -= i64::from(record.payload().is_some());
    }
    Ok(cpu_since(used))
}

/// CPU seconds of a Redis so far.
fn redis_cpu(redis: &RedisServer) -> f64 {
    let info = redis.say(&["INFO", "cpu"]);
    let field = |name: &str| -> f64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    };
    field("used_cpu_sys:") + field("used_cpu_user:")
}

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "an event of a live topic happens now")]
fn now() -> Result<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(text)?;
    Ok(now.as_micros() as i64)
}

/// From the append of an event to the first lookup that counts it, one event at a time.
async fn latency(
    broker: &KafkaBroker,
    plans: &feat_compiler::plan::Plans,
    group: &Arc<GroupPlan>,
    settings: &Settings,
) -> Result<()> {
    broker.create_topic("clicks.live", 1, &[]);
    let redis = RedisServer::start(&[]);
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&redis.url()).await.map_err(text)?);
    let (stop, stopped) = watch::channel(false);
    let log = KafkaTopic::open(&group.source, "clicks.live", settings.clone(), Until::Stopped(stopped));
    let log = log.await.map_err(text)?;
    let groups = [Arc::clone(group)];
    let running = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { run(&store, &groups, &log, &Options::default(), &|_| ()).await })
    };
    let catalog = Catalog::new(plans, store);
    let service = catalog.service("work_e").map_err(text)?;
    let producer = Producer::open("clicks.live", settings).map_err(text)?;
    let mut taken = Vec::new();
    for user in 1..=APPENDS {
        let schema = Schema::new(vec![Field::new("user_id", DataType::Int64, true)]);
        let asked = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![user]))]);
        let inputs = Inputs::from_batch(&service, &asked.map_err(text)?, "the bench").map_err(text)?;
        let start = Clock::now();
        // An event happens a little before it is appended.
        send(&producer, user, user, Instant(now()? - 1000)).await?;
        while start.elapsed() < PATIENCE {
            let answer = catalog.lookup(&service, &inputs, None, Instant::MIN).await;
            // Until the view has begun there is nothing to ask.
            let Ok(answer) = answer else { continue };
            if answer.features[0].at(0).0 == Value::Int(1) {
                break;
            }
        }
        taken.push(start.elapsed());
    }
    stop.send_replace(true);
    running.await.map_err(text)?.map_err(text)?;
    // The first ones wait for the stream to begin.
    let mut taken = taken.split_off(taken.len() / 5);
    taken.sort_unstable();
    println!(
        "append to readable: median {:.1?}, 99th percentile {:.1?}",
        percentile(&taken, 0.5),
        percentile(&taken, 0.99)
    );
    Ok(())
}

/// What an entity takes in Redis that has 40 tiles of 4 windows of so many aggregates.
async fn memory(
    broker: &KafkaBroker,
    group: &Arc<GroupPlan>,
    aggregates: u32,
    settings: &Settings,
) -> Result<()> {
    let topic = format!("clicks.kept.{aggregates}");
    broker.create_topic(&topic, 1, &[("retention.ms", "-1")]);
    let producer = Producer::open(&topic, settings).map_err(text)?;
    // Minutes before the last row, so that each is in a tile of its own.
    let ages = (1..=5).rev().map(|day| day * 1440 * 4).chain((2..25).rev().map(|hour| hour * 60));
    let ages = ages.chain((0..12).rev().map(|five| five * 5));
    let mut id = 0;
    for age in ages {
        for user in 1..=KEPT {
            send(&producer, id, user, Instant(START + 40 * 1440 * MINUTE - age * MINUTE)).await?;
            id += 1;
        }
    }
    tokio::task::spawn_blocking(move || producer.flush()).await.map_err(text)?.map_err(text)?;
    let redis = RedisServer::start(&[]);
    let before = used_memory(&redis);
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&redis.url()).await.map_err(text)?);
    let log = KafkaTopic::open(&group.source, &topic, settings.clone(), Until::End);
    let log = log.await.map_err(text)?;
    run(&store, &[Arc::clone(group)], &log, &Options::default(), &|_| ()).await.map_err(text)?;
    let each = (used_memory(&redis) - before) / KEPT;
    println!("an entity with 40 tiles of 4 windows of {aggregates} aggregates: {each} bytes of Redis");
    Ok(())
}

fn used_memory(redis: &RedisServer) -> i64 {
    let info = redis.say(&["INFO", "memory"]);
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}
