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

    /// How many times as long as the other, round by round: each pair had the same machine at the same
    /// time. A machine that has two speeds moves the medians, and the middle of these much less.
    pub(crate) fn ratios(&self, other: &Self) -> Ratios {
        let pairs = self.0.iter().zip(&other.0);
        let mut ratios: Vec<f64> = pairs
            .map(|(own, other)| own.as_secs_f64() / other.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        Ratios(ratios)
    }
}

/// Of pairs of measurements, in order.
pub(crate) struct Ratios(Vec<f64>);

/// The middle half of a steady run's ratios lies within this part of their median.
const STEADY: f64 = 0.2;

impl Ratios {
    pub(crate) fn median(&self) -> f64 {
        self.at(50)
    }

    /// Says how far the ratios lie apart, and when that is so far that the run tells little.
    pub(crate) fn row(&self) -> String {
        let (low, high) = (self.at(25), self.at(75));
        let verdict = match (high - low) / self.median() {
            spread if spread <= STEADY => "",
            _ => "; UNSTEADY, measure again when the machine is quiet",
        };
        format!(
            "    middle half of {} pairs: {low:.2} to {high:.2}{verdict}",
            self.0.len()
        )
    }

    fn at(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn series(milliseconds: &[u64]) -> Series {
        Series(
            milliseconds
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect(),
        )
    }

    #[test]
    fn a_machine_with_two_speeds_does_not_move_the_ratio_of_pairs() {
        let own = series(&[20, 60, 20, 60, 60]);
        let other = series(&[10, 30, 10, 30, 30]);
        let ratios = own.ratios(&other);
        assert!((ratios.median() - 2.0).abs() < 1e-9);
        assert!(!ratios.row().contains("UNSTEADY"));
    }

    #[test]
    fn pairs_that_lie_apart_are_called_unsteady() {
        let ratios = series(&[10, 10, 20, 40, 40]).ratios(&series(&[10; 5]));
        assert!(ratios.row().contains("UNSTEADY"), "{}", ratios.row());
    }
}
