//! Medians of wall and CPU time.

use std::time::{Duration, Instant};

/// What runs of one work took, the median of each.
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    /// Of all threads of the process.
    pub(crate) cpu: Duration,
}

/// Runs `work` so many times, after once to warm up.
pub(crate) fn median<T>(runs: usize, mut work: impl FnMut() -> T) -> Taken {
    drop(work());
    let mut taken: Vec<Taken> = (0..runs).map(|_| once(&mut work)).collect();
    taken.sort_by_key(|taken| taken.cpu);
    let cpu = taken[runs / 2].cpu;
    taken.sort_by_key(|taken| taken.wall);
    Taken { wall: taken[runs / 2].wall, cpu }
}

/// Runs `work` once.
pub(crate) fn once<T>(work: impl FnOnce() -> T) -> Taken {
    let (start, used) = (Instant::now(), cpu());
    drop(work());
    Taken { wall: start.elapsed(), cpu: cpu_since(used) }
}

/// CPU time of this process since it was `used`.
pub(crate) fn cpu_since(used: Duration) -> Duration {
    cpu().saturating_sub(used)
}

/// CPU time of this process so far, as [`cpu_of`].
pub(crate) fn cpu() -> Duration {
    cpu_of("self")
}

/// CPU time of a process so far, in the hundredths of a second that Linux counts; zero elsewhere.
pub(crate) fn cpu_of(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The value below which `share` of `sorted` lie.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}
