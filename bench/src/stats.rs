//! Medians, and what else the machine was doing.

use std::fs;
use std::time::Duration;

use anyhow::Result;

/// Several measurements of the same thing.
#[derive(Default)]
pub(crate) struct Series(Vec<Duration>);

impl Series {
    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    pub(crate) fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[sorted.len() / 2]
    }

    /// The time that so many of a hundred runs did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[(sorted.len() - 1) * percent / 100]
    }

    /// `name  median ms (min to max, n)`.
    pub(crate) fn row(&self, name: &str) -> String {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let least = self.0.iter().min().copied().unwrap_or_default();
        let most = self.0.iter().max().copied().unwrap_or_default();
        format!(
            "  {name:<58} {:>8.1} ms  ({:.1} to {:.1}, n = {})",
            ms(self.median()),
            ms(least),
            ms(most),
            self.0.len()
        )
    }

    /// How many times as long as the other, by medians.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64()
    }
}

/// What a figure has to keep.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    pub(crate) fn report(self, name: &str, figure: f64) {
        let (is_kept, words, bar) = match self {
            Self::AtMost(bar) => (figure <= bar, "at most", bar),
            Self::AtLeast(bar) => (figure >= bar, "at least", bar),
        };
        let verdict = if is_kept { "kept" } else { "MISSED" };
        println!("  {name}: {figure:.2} (bar: {words} {bar}, {verdict})");
    }
}

/// The machine, and how busy it was before the benchmark began.
pub(crate) fn machine() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{cores} cores, Linux {}, load {load} at the start",
        kernel.trim()
    ))
}
