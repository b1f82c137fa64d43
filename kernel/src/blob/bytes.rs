//! A blob's bytes: what a store keeps of an entity.
//!
//! ```text
//!  version · clock · newest? · base? · tiles (hop, start, states)* · waiting rows* · ids*
//! ```
//!
//! Times are written as differences from the clock, tile starts in hops from the tile before, and cells
//! without rows as one bit, so that a tile of a few small states takes a few tens of bytes.

use std::collections::BTreeMap;

use super::Blob;
use crate::admit::Admission;
use crate::agg::State;
use crate::codec::{CodecError, Reader, VERSION, put_bytes, put_packed, put_varint, put_zigzag};
use crate::row::Kept;
use crate::tile::Tile;
use crate::time::{Instant, Micros};
use crate::view::View;

impl Blob {
    /// The blob's bytes; equal blobs of one view have equal bytes.
    pub fn encode(&self, view: &View) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 32 * self.tiles.len());
        out.push(VERSION);
        put_zigzag(&mut out, self.clock.0);
        self.put_optional_time(&mut out, self.newest);
        match &self.base {
            None => out.push(0),
            Some(states) => {
                out.push(1);
                put_states(&mut out, view, &view.base(), states);
            }
        }
        let cells: Vec<usize> = (0..view.cells.len()).collect();
        put_varint(&mut out, self.tiles.len() as u64);
        let mut before: Option<Tile> = None;
        for (tile, states) in &self.tiles {
            // Neighbours mostly have one length: only another one is written.
            if let Some(before) = before.filter(|before| before.hop == tile.hop) {
                let hops = tile.start.0.wrapping_sub(before.start.0).div_euclid(tile.hop.0);
                put_varint(&mut out, hops as u64);
            } else {
                put_varint(&mut out, 0);
                put_varint(&mut out, tile.hop.0 as u64);
                put_zigzag(&mut out, tile.start.0.div_euclid(tile.hop.0));
            }
            before = Some(*tile);
            put_states(&mut out, view, &cells, states);
        }
        put_varint(&mut out, self.kept.len() as u64);
        for (row, duplicate) in &self.kept {
            out.push(u8::from(*duplicate) | u8::from(row.pass) << 1 | u8::from(row.id.is_some()) << 2);
            put_zigzag(&mut out, row.known.0.wrapping_sub(self.clock.0));
            put_zigzag(&mut out, row.tau.0.wrapping_sub(row.known.0));
            put_bytes(&mut out, &row.tie);
            if let Some(id) = &row.id {
                put_bytes(&mut out, id);
            }
            for value in &row.args {
                put_packed(&mut out, value.as_ref());
            }
            put_bits(&mut out, row.masks.iter().copied());
        }
        put_varint(&mut out, self.admission.ids().len() as u64);
        for (id, known) in self.admission.ids() {
            put_bytes(&mut out, id);
            put_zigzag(&mut out, known.0.wrapping_sub(self.clock.0));
        }
        out
    }

    /// Reads what [`Blob::encode`] wrote for the same view.
    ///
    /// Errors: bytes that end early, that no blob of this view has, or that a newer build wrote.
    /// Never panics, whatever the bytes.
    pub fn decode(view: &View, bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(bytes);
        let found = from.version(VERSION)?;
        if found < VERSION {
            return Err(CodecError::Older { found, reads: VERSION });
        }
        let mut blob = Self { clock: Instant(from.zigzag()?), ..Self::default() };
        blob.newest = match from.u8()? {
            0 => None,
            1 => Some(Instant(blob.clock.0.wrapping_add(from.zigzag()?))),
            _ => return Err(CodecError::invalid("mark of the newest row")),
        };
        blob.base = match from.u8()? {
            0 => None,
            1 => Some(states(&mut from, view, &view.base())?),
            _ => return Err(CodecError::invalid("mark of the base")),
        };
        let cells: Vec<usize> = (0..view.cells.len()).collect();
        let mut before: Option<Tile> = None;
        for _ in 0..from.count(2)? {
            let tile = tile(&mut from, before)?;
            if before.is_some_and(|before| before >= tile) {
                return Err(CodecError::invalid("order of tiles"));
            }
            before = Some(tile);
            let states = states(&mut from, view, &cells)?;
            blob.tiles.insert(tile, states);
        }
        for _ in 0..from.count(4)? {
            let flags = from.u8()?;
            if flags > 7 {
                return Err(CodecError::invalid("marks of a waiting row"));
            }
            let known = Instant(blob.clock.0.wrapping_add(from.zigzag()?));
            let tau = Instant(known.0.wrapping_add(from.zigzag()?));
            let tie = from.bytes()?.to_vec();
            let id = if flags & 4 == 0 { None } else { Some(from.bytes()?.to_vec()) };
            let args = view.args.iter().map(|_| from.packed()).collect::<Result<_, _>>()?;
            let masks = bits(&mut from, view.masks)?;
            blob.kept.push((Kept { known, tau, tie, id, pass: flags & 2 != 0, args, masks }, flags & 1 != 0));
        }
        let mut ids = BTreeMap::new();
        for _ in 0..from.count(2)? {
            let id = from.bytes()?.to_vec();
            ids.insert(id, Instant(blob.clock.0.wrapping_add(from.zigzag()?)));
        }
        blob.admission = Admission::from_ids(ids);
        if from.is_empty() { Ok(blob) } else { Err(CodecError::invalid("end of a blob")) }
    }

    fn put_optional_time(&self, out: &mut Vec<u8>, time: Option<Instant>) {
        out.push(u8::from(time.is_some()));
        if let Some(time) = time {
            put_zigzag(out, time.0.wrapping_sub(self.clock.0));
        }
    }
}

/// The next tile: so many hops behind the one before, or of another hop.
fn tile(from: &mut Reader<'_>, before: Option<Tile>) -> Result<Tile, CodecError> {
    let invalid = || CodecError::invalid("place of a tile");
    let hops = from.varint()?;
    if hops > 0 {
        let Tile { start, hop } = before.ok_or_else(invalid)?;
        let by = i64::try_from(hops).ok().and_then(|hops| hops.checked_mul(hop.0));
        let start = by.and_then(|by| start.0.checked_add(by)).ok_or_else(invalid)?;
        return Ok(Tile { start: Instant(start), hop });
    }
    let hop = Micros(i64::try_from(from.varint()?).map_err(|_| invalid())?);
    if hop.0 <= 0 || before.is_some_and(|before| before.hop == hop) {
        return Err(invalid());
    }
    let start = from.zigzag()?.checked_mul(hop.0).ok_or_else(invalid)?;
    Ok(Tile { start: Instant(start), hop })
}

/// A bit per cell that has seen rows, then the states of those.
fn put_states(out: &mut Vec<u8>, view: &View, cells: &[usize], states: &[State]) {
    let used: Vec<bool> = cells
        .iter()
        .zip(states)
        .map(|(&cell, state)| *state != view.cells[cell].aggregator.empty())
        .collect();
    put_bits(out, used.iter().copied());
    for ((&cell, state), used) in cells.iter().zip(states).zip(used) {
        if used {
            view.cells[cell].aggregator.encode(state, out);
        }
    }
}

fn states(from: &mut Reader<'_>, view: &View, cells: &[usize]) -> Result<Vec<State>, CodecError> {
    let used = bits(from, cells.len())?;
    cells
        .iter()
        .zip(used)
        .map(|(&cell, used)| {
            let aggregator = &view.cells[cell].aggregator;
            if used { aggregator.decode(from) } else { Ok(aggregator.empty()) }
        })
        .collect()
}

fn put_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let start = out.len();
    for (at, bit) in bits.enumerate() {
        if at.is_multiple_of(8) {
            out.push(0);
        }
        out[start + at / 8] |= u8::from(bit) << (at % 8);
    }
}

fn bits(from: &mut Reader<'_>, count: usize) -> Result<Vec<bool>, CodecError> {
    let bytes = from.take(count.div_ceil(8))?;
    if !count.is_multiple_of(8) && bytes.last().is_some_and(|last| last >> (count % 8) != 0) {
        return Err(CodecError::invalid("row of bits"));
    }
    Ok((0..count).map(|at| bytes[at / 8] >> (at % 8) & 1 == 1).collect())
}
