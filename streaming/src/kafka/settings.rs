//! How to reach Kafka: librdkafka's settings, of which some are ours alone.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::producer::{ProducerContext, ThreadedProducer};

use super::TopicError;

/// What keeps the answer exact, with the reason: no project may change it.
const OURS: [(&str, &str, &str); 6] = [
    ("auto.offset.reset", "error", "a view goes on where its marker says or not at all"),
    ("enable.auto.commit", "false", "the position is in the online store, beside the values"),
    ("enable.partition.eof", "true", "the end of a log must be seen"),
    ("isolation.level", "read_committed", "what a producer took back was never said"),
    ("enable.idempotence", "true", "a dead letter is written once"),
    ("transactional.id", "feat.replay.TOPIC", "of two replays of letters the later one ends the earlier"),
];

/// What may be changed: an idle reader waits for nothing, a busy one holds 16 MiB a topic.
const DEFAULTS: [(&str, &str); 4] = [
    ("group.id", "feat"),
    ("queued.max.messages.kbytes", "16384"),
    // With its default of a second a full queue would stop the fetching for as long.
    ("fetch.queue.backoff.ms", "2"),
    ("client.id", "feat"),
];

/// What means nothing to a client that does not read.
const OF_READERS: [&str; 7] = [
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.partition.eof",
    "isolation.level",
    "group.id",
    "queued.max.messages.kbytes",
    "fetch.queue.backoff.ms",
];

/// How to reach Kafka. Neither printed nor logged: passwords are among it.
#[derive(Clone)]
pub struct Settings {
    brokers: String,
    dead_letters: Option<String>,
    consumer_group: Option<String>,
    config: BTreeMap<String, String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl Settings {
    /// Of brokers `host:port,…` and librdkafka's settings `others`.
    ///
    /// Errors: a setting that is ours alone.
    pub fn new(
        brokers: impl Into<String>,
        others: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, TopicError> {
        let brokers = brokers.into();
        let mut config: BTreeMap<String, String> =
            DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in others {
            if let Some((_, ours, why)) = OURS.iter().find(|(ours, ..)| *ours == name) {
                return Err(TopicError::Setting {
                    reason: format!("`{name}` is always `{ours}`, since {why}: leave it out"),
                });
            }
            config.insert(name, value);
        }
        config.insert("bootstrap.servers".to_owned(), brokers.clone());
        let set = OURS.iter().filter(|(name, ..)| *name != "transactional.id");
        config.extend(set.map(|(name, value, _)| ((*name).to_owned(), (*value).to_owned())));
        Ok(Self { brokers, dead_letters: None, consumer_group: None, config })
    }

    /// Keeps records that cannot be read in topic `topic`; without it the first one stops the run.
    #[must_use]
    pub fn with_dead_letters(mut self, topic: Option<String>) -> Self {
        self.dead_letters = topic;
        self
    }

    /// The topic of dead letters, if there is one.
    pub(super) fn dead_letters(&self) -> Option<&str> {
        self.dead_letters.as_deref()
    }

    /// Shares the partitions of views with the other members of consumer group `group`; without it this
    /// process keeps all of them.
    #[must_use]
    pub fn with_consumer_group(mut self, group: Option<String>) -> Self {
        self.consumer_group = group;
        self
    }

    /// The consumer group whose members share the partitions of views, if there is one.
    pub fn consumer_group(&self) -> Option<&str> {
        self.consumer_group.as_deref()
    }

    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A client that reads. Settings of producers alone are left out.
    pub(super) fn consumer<T: FromClientConfig>(&self) -> Result<T, TopicError> {
        self.create(&["enable.idempotence"], &[])
    }

    /// A client that reads to the end and no further: the broker answers at once that nothing is left.
    pub(super) fn glance<T: FromClientConfig>(&self) -> Result<T, TopicError> {
        self.create(&["enable.idempotence"], &[("fetch.wait.max.ms", "1")])
    }

    /// A client that is a member of consumer group `group` and hears in `context` what it is given. It reads
    /// nothing.
    pub(super) fn member<C: ConsumerContext>(
        &self,
        group: &str,
        context: C,
    ) -> Result<BaseConsumer<C>, TopicError> {
        let mut config = self.config(&["enable.idempotence"]);
        config.set("group.id", group).set("partition.assignment.strategy", "cooperative-sticky");
        config.set("enable.partition.eof", "false").set("auto.offset.reset", "latest");
        let made = config.create_with_context(context);
        made.map_err(|cause| TopicError::Setting { reason: cause.to_string() })
    }

    /// A client that writes or asks.
    pub(super) fn client<T: FromClientConfig>(&self) -> Result<T, TopicError> {
        self.create(&OF_READERS, &[])
    }

    /// A client that writes, whose `context` hears what becomes of each record. Keys are spread as Java's clients
    /// spread them, if nothing else is set.
    pub(super) fn writer<C: ProducerContext>(&self, context: C) -> Result<ThreadedProducer<C>, TopicError> {
        let mut config = self.config(&OF_READERS);
        if config.get("partitioner").is_none() {
            config.set("partitioner", "murmur2_random");
        }
        let made = config.create_with_context(context);
        made.map_err(|cause| TopicError::Setting { reason: cause.to_string() })
    }

    /// A client that writes in transactions: whoever opens them under `id` ends those of whoever did before.
    pub(super) fn transactional<T: FromClientConfig>(&self, id: &str) -> Result<T, TopicError> {
        self.create(&OF_READERS, &[("transactional.id", id)])
    }

    fn create<T: FromClientConfig>(&self, without: &[&str], with: &[(&str, &str)]) -> Result<T, TopicError> {
        let mut config = self.config(without);
        for (name, value) in with {
            config.set(*name, *value);
        }
        config.create().map_err(|cause| TopicError::Setting { reason: cause.to_string() })
    }

    fn config(&self, without: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.config {
            if !without.contains(&name.as_str()) {
                config.set(name, value);
            }
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, value: &str) -> Result<Settings, TopicError> {
        Settings::new("localhost:1", [(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_keeps_the_answer_exact_is_not_for_a_project_to_change() {
        let error = settings("auto.offset.reset", "latest").unwrap_err();
        assert!(error.to_string().contains("`auto.offset.reset` is always `error`"), "{error}");
        assert!(settings("fetch.queue.backoff.ms", "5").is_ok());
    }

    #[test]
    fn a_password_is_not_printed() {
        let settings = settings("sasl.password", "secret").unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_setting_that_librdkafka_does_not_know_is_named() {
        let settings = settings("sasl.pasword", "x").unwrap();
        let made = settings.consumer::<rdkafka::consumer::BaseConsumer>();
        let error = made.err().expect("no such setting");
        assert!(error.to_string().contains("sasl.pasword"), "{error}");
    }
}
