//! The scale of a draw: how long its windows are, which hops they have, and where its times fall.

use crate::dice::Dice;
use crate::oracle::hop;
use crate::oracle::spec::Over;
use crate::oracle::time::{Length, instant};

pub(super) const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// The lengths that windows of a draw have, and the hops they may have.
pub(super) struct Scale {
    pub(super) lengths: Vec<i64>,
    /// A chain; empty where every window has its default hop or one of the ladder's.
    chain: Vec<i64>,
    /// Where the log begins.
    pub(super) start: i64,
}

impl Scale {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let start = instant("2024-05-01T00:00:00Z").unwrap_or_default();
        let (lengths, chain) = match dice.between(0, 9) {
            0 => (vec![14 * SECOND, 42 * SECOND, 84 * SECOND], vec![7 * SECOND, 21 * SECOND, 42 * SECOND]),
            1 => (vec![SECOND / 2, 4 * SECOND, 12 * SECOND], vec![SECOND / 4, SECOND, 4 * SECOND]),
            2..=3 => (vec![HOUR, DAY, 7 * DAY], vec![]),
            4..=5 => (vec![7 * DAY, 28 * DAY, 90 * DAY], vec![]),
            6 => (vec![HOUR / 6, HOUR, 6 * HOUR], vec![]),
            _ => (vec![12 * SECOND, HOUR / 60, HOUR / 6], vec![]),
        };
        Self { lengths, chain, start }
    }

    pub(super) fn longest(&self) -> i64 {
        self.lengths.iter().copied().max().unwrap_or(SECOND)
    }

    /// A window without an offset.
    fn window(&self, dice: &mut Dice, every: bool) -> Over {
        let length = *dice.pick(&self.lengths);
        let ladder = [SECOND, 10 * SECOND, HOUR / 60, HOUR / 12, HOUR, DAY];
        let chain: &[i64] = if self.chain.is_empty() { &ladder } else { &self.chain };
        let fits: Vec<i64> =
            chain.iter().copied().filter(|hop| length % hop == 0 && length / hop <= 1_000).collect();
        let every = (every || !self.chain.is_empty()).then(|| Length(*dice.pick(&fits)));
        Over { length: Some(Length(length)), every, ..Over::default() }
    }

    /// A window of the form, or the windows of a list.
    pub(super) fn over(&self, dice: &mut Dice, form: Form) -> Vec<Over> {
        match form {
            Form::All => vec![Over::default()],
            Form::Duration => vec![self.window(dice, false)],
            Form::Every => vec![self.window(dice, true)],
            Form::Offset => {
                let every = dice.once_in(2);
                let over = self.window(dice, every);
                vec![Over { offset: Some(Self::offset(dice, &over)), ..over }]
            }
            Form::List => {
                let mut list: Vec<Over> = Vec::new();
                for _ in 0..3 {
                    let over = self.window(dice, false);
                    if list.iter().all(|other| other.length != over.length) {
                        list.push(over);
                    }
                }
                list
            }
        }
    }

    /// A whole number of hops, or an odd length: both edges must stand on hops all the same.
    fn offset(dice: &mut Dice, over: &Over) -> Length {
        let hop = hop(over).unwrap_or(SECOND);
        Length(match dice.between(0, 3) {
            0 => hop * dice.between(1, 5),
            1 => over.length.unwrap_or_default().0,
            _ => dice.between(1, over.length.unwrap_or_default().0.max(2)),
        })
    }

    /// An instant around the log, on an edge of some hop more often than not.
    pub(super) fn instant(&self, dice: &mut Dice) -> i64 {
        let span = 2 * self.longest();
        if dice.once_in(3) {
            return self.start + dice.between(0, span);
        }
        if dice.once_in(3) {
            // The longest window would swallow a log that is spread evenly: crowd a part of it.
            return self.start + self.longest() + dice.between(0, self.lengths[0]);
        }
        let length = *dice.pick(&self.lengths);
        let step = *dice.pick(&[length, length / 12, length / 2]);
        let edge = dice.between(0, span / step.max(1)) * step.max(1);
        self.start + edge + dice.pick(&[0, 0, 0, 1, -1])
    }
}

/// How a window is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Duration,
    Every,
    Offset,
    List,
    All,
}
