//! A dead letter: a record that was put aside, and why.

use std::fmt;
use std::str::FromStr;

use feat_kernel::time::Instant;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use twox_hash::XxHash3_64;

/// Headers of ours begin so; a record's own are kept beside them.
const OURS: &str = "feat.";
/// What is wrong with the record, in words.
pub(super) const REASON: &str = "feat.reason";
/// Which [`Kind`] it is.
pub(super) const KIND: &str = "feat.kind";
/// The record's key; left out where it has none.
pub(super) const KEY: &str = "feat.key";
/// The record's timestamp in milliseconds.
pub(super) const TIMESTAMP: &str = "feat.timestamp";
/// The key of what remembers that a letter was replayed is that of the letter behind this. No topic has
/// a `/` in its name, so it is no letter's.
const REPLAYED: &str = "replayed/";

/// Where a record stands: written `TOPIC/PARTITION/OFFSET`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: u64,
}

impl Place {
    /// The key of what remembers that the letter of this place was replayed.
    pub(super) fn replayed(&self) -> String {
        format!("{REPLAYED}{self}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        if let [topic, partition, offset] = parts[..]
            && let (false, Ok(partition), Ok(offset)) = (topic.is_empty(), partition.parse(), offset.parse())
        {
            return Ok(Self { topic: topic.to_owned(), partition, offset });
        }
        Err(format!("`{text}` is no place of a record: write TOPIC/PARTITION/OFFSET"))
    }
}

/// Why a record was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Its value cannot be read: it is no row.
    Unreadable,
    /// Its row became known later than the source's `lateness` allows.
    Late,
}

impl Kind {
    /// As headers and people write it: `unreadable`, `late`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A dead letter as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where its record stands.
    pub place: Place,
    /// The record's timestamp; of letters without one, when they were kept.
    pub time: Instant,
    /// Why it was put aside.
    pub kind: Kind,
    /// What is wrong with it, in words.
    pub reason: String,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's own headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The record's value, byte for byte; empty unless it was asked for.
    pub value: Vec<u8>,
    /// How many bytes the value has.
    pub bytes: usize,
    /// Tells a letter from another of the same place: a topic that is made anew counts from 0 again.
    pub(super) seal: u64,
}

/// What a message of the topic of dead letters says.
pub(super) enum Said {
    /// A letter, or that there is none any more.
    Letter(Place, Option<Letter>),
    /// The letter of a place with this seal was replayed.
    Replayed(Place, u64),
    /// Something that feat did not write.
    Other,
}

impl Said {
    /// Reads a message. The value of a letter is kept if `wanted`.
    pub(super) fn read(message: &BorrowedMessage<'_>, wanted: impl FnOnce(&Place) -> bool) -> Self {
        let Some(Ok(key)) = message.key().map(std::str::from_utf8) else { return Self::Other };
        if let Some(place) = key.strip_prefix(REPLAYED) {
            let seal =
                message.payload().and_then(|seal| u64::from_str_radix(str::from_utf8(seal).ok()?, 16).ok());
            return match (place.parse(), seal) {
                (Ok(place), Some(seal)) => Self::Replayed(place, seal),
                _ => Self::Other,
            };
        }
        let Ok(place) = key.parse::<Place>() else { return Self::Other };
        let Some(value) = message.payload() else { return Self::Letter(place, None) };
        let mut letter = Letter {
            time: Instant(message.timestamp().to_millis().unwrap_or_default().saturating_mul(1000)),
            kind: Kind::Unreadable,
            reason: String::new(),
            key: None,
            headers: Vec::new(),
            value: if wanted(&place) { value.to_vec() } else { Vec::new() },
            bytes: value.len(),
            seal: 0,
            place,
        };
        for Header { key, value } in message.headers().into_iter().flat_map(BorrowedHeaders::iter) {
            let text = || String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            match key {
                REASON => letter.reason = text(),
                KIND if value == Some(Kind::Late.as_str().as_bytes()) => letter.kind = Kind::Late,
                KEY => letter.key = value.map(<[u8]>::to_vec),
                TIMESTAMP => {
                    if let Ok(millis) = text().parse::<i64>() {
                        letter.time = Instant(millis.saturating_mul(1000));
                    }
                }
                // Words of ours that this build does not know stay behind.
                key if key.starts_with(OURS) => {}
                key => letter.headers.push((key.to_owned(), value.map(<[u8]>::to_vec))),
            }
        }
        letter.seal = XxHash3_64::oneshot_with_seed(letter.time.0 as u64, value);
        Self::Letter(letter.place.clone(), Some(letter))
    }
}

impl Letter {
    /// The headers of its record.
    pub(super) fn own_headers(&self) -> OwnedHeaders {
        let headers = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers
            .iter()
            .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_what_is_none_is_refused() {
        let place: Place = "shop.orders/3/42".parse().unwrap();
        assert_eq!((place.topic.as_str(), place.partition, place.offset), ("shop.orders", 3, 42));
        assert_eq!(place.to_string(), "shop.orders/3/42");
        for text in ["", "orders", "orders/1", "/1/2", "orders/x/2", "orders/1/-2", "replayed/orders/1/2"] {
            assert!(text.parse::<Place>().unwrap_err().contains("TOPIC/PARTITION/OFFSET"), "{text}");
        }
    }
}
