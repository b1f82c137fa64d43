//! Which server has which keys: one has all, or the masters of a cluster share 16384 slots.
//!
//! A command goes to the server of its key's slot. A server that answers `MOVED` has not carried the
//! command out, so it is sent once more after the slots were asked for anew; nothing else is ever sent
//! again. Every error of a cluster makes the next call ask for the slots first: after a failover the
//! old master is not the one to wait for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::{Cmd, Pipeline, ServerErrorKind, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address::{Address, Place};
use super::failure;
use super::node::Node;
use crate::StoreError;

/// The slots of a cluster.
const SLOTS: u16 = 16384;

/// How often a command may be sent on before the slots count as unsettled.
const MOVES: usize = 2;

/// An answer, and whose it is.
pub(super) type Said = (Arc<Place>, Value);

/// The servers, and what each has.
pub(super) struct Servers {
    pub(super) address: Arc<Address>,
    map: RwLock<Arc<Map>>,
    /// Whether the slots are to be asked for before the next command.
    stale: AtomicBool,
}

#[derive(Default)]
struct Map {
    nodes: BTreeMap<Place, Arc<Node>>,
    /// The last slot of a range → who has it.
    ranges: BTreeMap<u16, Arc<Node>>,
}

impl Servers {
    /// Connects to all of them and looks at each.
    pub(super) async fn connect(address: Address) -> Result<Self, StoreError> {
        let address = Arc::new(address);
        let servers = Self { address, map: RwLock::default(), stale: AtomicBool::new(false) };
        let deadline = servers.deadline();
        if servers.address.cluster {
            servers.ask_for_slots(deadline).await?;
        } else {
            let node = Arc::new(Node::new(servers.address.places[0].clone(), Arc::clone(&servers.address)));
            let ranges = [(SLOTS - 1, Arc::clone(&node))].into();
            *servers.map.write().unwrap_or_else(PoisonError::into_inner) =
                Arc::new(Map { nodes: [((*node.place).clone(), node)].into(), ranges });
        }
        let mut ping = Pipeline::new();
        ping.cmd("PING");
        for node in servers.map().nodes.values() {
            for answer in node.ask(&ping, deadline).await? {
                if let Value::ServerError(error) = answer {
                    return Err(failure::said(&node.place, &error));
                }
            }
        }
        Ok(servers)
    }

    /// Sends a command for each of `keys` to the server that has it, all at once, and waits for all
    /// answers. Commands for one key, or one tag, are carried out in the order given.
    ///
    /// `command` makes the one for the key at a place; its second argument says whether it is the
    /// first that its server gets.
    ///
    /// Errors: those of the first command that met one; the others were carried out or not.
    pub(super) async fn ask(
        &self,
        keys: &[Vec<u8>],
        command: impl Fn(usize, bool) -> Cmd,
    ) -> Result<Vec<Said>, StoreError> {
        let deadline = self.deadline();
        let mut answers: Vec<Option<Said>> = keys.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..keys.len()).collect();
        for _ in 0..=MOVES {
            if self.stale.swap(false, Ordering::Relaxed) {
                self.ask_for_slots(deadline).await?;
            }
            let mut moved = Vec::new();
            for (node, places, found) in self.send(keys, &open, &command, deadline).await? {
                for (place, answer) in places.into_iter().zip(found) {
                    if matches!(&answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::Moved))
                    {
                        moved.push(place);
                    }
                    answers[place] = Some((Arc::clone(&node.place), answer));
                }
            }
            if moved.is_empty() {
                break;
            }
            self.stale.store(true, Ordering::Relaxed);
            moved.sort_unstable();
            open = moved;
        }
        let answers = answers.into_iter().map(|answer| {
            let (place, answer) = answer.expect("invariant: every command went to a server");
            match &answer {
                Value::ServerError(error) => {
                    self.stale.store(self.address.cluster, Ordering::Relaxed);
                    Err(failure::said(&place, error))
                }
                _ => Ok((place, answer)),
            }
        });
        answers.collect()
    }

    /// One command, as [`Servers::ask`].
    pub(super) async fn ask_one(&self, key: Vec<u8>, command: Cmd) -> Result<Said, StoreError> {
        let mut answers = self.ask(&[key], |_, _| command.clone()).await?;
        Ok(answers.remove(0))
    }

    /// Sends what is `open`, each server its own, and waits for all of them, also where one fails: no
    /// commit is under way any more when its caller hears of an error.
    async fn send(
        &self,
        keys: &[Vec<u8>],
        open: &[usize],
        command: &impl Fn(usize, bool) -> Cmd,
        deadline: Instant,
    ) -> Result<Vec<(Arc<Node>, Vec<usize>, Vec<Value>)>, StoreError> {
        let map = self.map();
        // One that has every slot: there is nothing to share out.
        let one = if self.address.cluster || open.is_empty() { None } else { map.ranges.values().next() };
        if let Some(node) = one {
            let mut commands = Pipeline::with_capacity(open.len());
            for &place in open {
                commands.add_command(command(place, place == open[0]));
            }
            let found = node.ask(&commands, deadline).await?;
            return Ok(vec![(Arc::clone(node), open.to_vec(), found)]);
        }
        let mut work: BTreeMap<&Place, (Arc<Node>, Vec<usize>, Pipeline)> = BTreeMap::new();
        for &place in open {
            let node = map.ranges.range(slot(&keys[place])..).next().map(|(_, node)| node);
            let node = node.ok_or_else(|| self.uncovered())?;
            let (_, places, commands) =
                work.entry(&node.place).or_insert_with(|| (Arc::clone(node), Vec::new(), Pipeline::new()));
            commands.add_command(command(place, places.is_empty()));
            places.push(place);
        }
        let mut tasks = JoinSet::new();
        let mut done = Vec::with_capacity(work.len());
        let mut work = work.into_values();
        // The first without a task of its own: mostly it is the only one.
        let first = work.next();
        for (node, places, commands) in work {
            tasks.spawn(async move {
                let found = node.ask(&commands, deadline).await;
                (node, places, found)
            });
        }
        if let Some((node, places, commands)) = first {
            let found = node.ask(&commands, deadline).await;
            done.push((node, places, found));
        }
        while let Some(joined) = tasks.join_next().await {
            done.push(joined.expect("invariant: asking a server neither panics nor is cancelled"));
        }
        let found = done.into_iter().map(|(node, places, found)| {
            if found.is_err() {
                self.stale.store(self.address.cluster, Ordering::Relaxed);
            }
            Ok((node, places, found?))
        });
        found.collect()
    }

    fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.address.timeout
    }

    fn uncovered(&self) -> StoreError {
        let what = "some slots of the cluster have no master".to_owned();
        StoreError::NotReady { at: self.address.to_string(), what }
    }

    /// Asks one server after another who has which slots, until one answers.
    ///
    /// Errors: that of the last, if none did, or no one has some of the slots.
    async fn ask_for_slots(&self, deadline: Instant) -> Result<(), StoreError> {
        let known = self.map();
        let seeds = self.address.places.iter().filter(|place| !known.nodes.contains_key(place));
        let seeds = seeds.map(|place| Arc::new(Node::new(place.clone(), Arc::clone(&self.address))));
        let asked: Vec<Arc<Node>> = known.nodes.values().cloned().chain(seeds).collect();
        let mut slots = Pipeline::new();
        slots.cmd("CLUSTER").arg("SLOTS");
        let mut failed = self.uncovered();
        // Each gets its share of the time: one that is silent must not use up that of the others.
        for (at, node) in asked.iter().enumerate() {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / (asked.len() - at) as u32;
            let found = node.ask(&slots, now + share).await;
            match found.and_then(|mut answers| self.mapped(&node.place, &answers.remove(0), &asked)) {
                Ok(map) => {
                    *self.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
                    return Ok(());
                }
                Err(error) => failed = error,
            }
        }
        self.stale.store(true, Ordering::Relaxed);
        Err(failed)
    }

    /// The answer of `CLUSTER SLOTS` as a map; the nodes that are known keep their connections.
    fn mapped(&self, from: &Place, answer: &Value, known: &[Arc<Node>]) -> Result<Map, StoreError> {
        let odd = || failure::odd(from, answer);
        let Value::Array(ranges) = answer else { return Err(odd()) };
        let mut map = Map::default();
        let mut covered = 0_u16;
        for range in ranges {
            let Value::Array(range) = range else { return Err(odd()) };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &range[..] else {
                return Err(odd());
            };
            let [host, Value::Int(port), ..] = &master[..] else { return Err(odd()) };
            // A node that does not know its own name stands for the one that was asked.
            let host = match host {
                Value::BulkString(host) if !host.is_empty() && host != b"?" => {
                    String::from_utf8_lossy(host).into_owned()
                }
                _ => from.host.clone(),
            };
            let place = Place { host, port: u16::try_from(*port).map_err(|_| odd())? };
            let node = map.nodes.entry(place.clone()).or_insert_with(|| {
                let old = known.iter().find(|node| *node.place == place).cloned();
                old.unwrap_or_else(|| Arc::new(Node::new(place, Arc::clone(&self.address))))
            });
            let last = u16::try_from(*last).map_err(|_| odd())?;
            covered += (i64::from(last) - first + 1) as u16;
            map.ranges.insert(last, Arc::clone(node));
        }
        if covered == SLOTS { Ok(map) } else { Err(self.uncovered()) }
    }
}

/// The slot of a key: of what stands between its first `{` and the next `}`, if anything does.
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// The checksum that the cluster's specification names: CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_that_of_the_tag() {
        // The specification's own example, and slots as a server tells them.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{foo}bar"), 12182);
        assert_eq!(slot(b"{}foo"), crc16(b"{}foo") % SLOTS);
    }
}
