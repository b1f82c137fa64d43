//! What a stream says of itself while it runs: lines on standard error, for people or for programs.
//!
//! ```text
//!  tracing events, librdkafka's words ──FEAT_LOG──► text: time LEVEL message field=value …
//!                                             └───► json: {"time", "level", "message", "target", fields …}
//! ```

use std::fmt::{Debug, Write as _};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::output;

/// The environment's variable that says what is logged, such as `debug` or `feat=info,librdkafka=debug`.
const VARIABLE: &str = "FEAT_LOG";

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to log: what is ours from `level` on, warnings of the Kafka client, and of everything else
/// what is an error, unless the environment's `FEAT_LOG` says otherwise. Once a process.
///
/// Errors: `FEAT_LOG` is not understood.
pub(crate) fn begin(form: Form, level: Level) -> Result<()> {
    let targets = match std::env::var(VARIABLE) {
        Ok(said) if !said.is_empty() => said.parse::<Targets>().with_context(|| {
            format!("{VARIABLE}={said} is not understood: write a level, such as `debug`, or `feat=info,librdkafka=debug`")
        })?,
        _ => Targets::new()
            .with_default(Level::ERROR)
            .with_target("feat", level)
            .with_target("librdkafka", Level::WARN)
            // It calls the end of a partition an error, at every one.
            .with_target("rdkafka", LevelFilter::OFF),
    };
    let registry = tracing_subscriber::registry().with(targets);
    match form {
        Form::Text => registry.with(Lines { write: text }).try_init(),
        Form::Json => registry.with(Lines { write: json }).try_init(),
    }
    .context("the log was begun before")
}

/// Writes every event as one line.
struct Lines {
    write: fn(Level, &str, Said) -> String,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        // What comes from the `log` crate has its own target among its fields.
        let target = said.target.take().unwrap_or_else(|| metadata.target().to_owned());
        output::note((self.write)(*metadata.level(), &target, said));
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    target: Option<String>,
    fields: Map<String, Json>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Json) {
        match field.name() {
            "message" => self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            "log.target" => self.target = value.as_str().map(str::to_owned),
            name if name.starts_with("log.") => {}
            name => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

fn text(level: Level, _: &str, said: Said) -> String {
    let mut line = format!("{} {level:>5} {}", time(), one_line(&said.message));
    for (name, value) in said.fields {
        let _ = match value {
            // Quotes only where the end of a value could not be told.
            Json::String(text)
                if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"') =>
            {
                write!(line, " {name}={text}")
            }
            value => write!(line, " {name}={value}"),
        };
    }
    line
}

fn json(level: Level, target: &str, said: Said) -> String {
    let mut line = Map::new();
    line.insert("time".to_owned(), time().into());
    line.insert("level".to_owned(), level.as_str().to_lowercase().into());
    line.insert("message".to_owned(), said.message.into());
    line.insert("target".to_owned(), target.into());
    line.extend(said.fields);
    Json::Object(line).to_string()
}

fn time() -> String {
    crate::command::now().to_string()
}

fn one_line(message: &str) -> String {
    message.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_its_fields_can_be_told_apart() {
        let said = || {
            let fields =
                [("log", Json::from("kafka:orders/0")), ("reason", "is \"x\"".into()), ("next", 7.into())];
            let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Said { message: "kept\naside".to_owned(), target: None, fields }
        };
        let line = text(Level::WARN, "feat", said());
        assert!(
            line.ends_with("  WARN kept aside log=kafka:orders/0 next=7 reason=\"is \\\"x\\\"\""),
            "{line}"
        );
        let line: Json = serde_json::from_str(&json(Level::WARN, "feat", said())).unwrap();
        assert_eq!((&line["level"], &line["next"]), (&Json::from("warn"), &Json::from(7)));
        assert_eq!(line["message"], Json::from("kept\naside"));
    }
}
