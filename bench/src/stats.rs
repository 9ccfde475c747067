//! Medians, and what else the machine was doing.

use std::fs;
use std::time::Duration;

use anyhow::Result;

/// Several measurements of the same thing.
#[derive(Default)]
pub(crate) struct Series(Vec<Duration>);

impl From<&[Duration]> for Series {
    fn from(durations: &[Duration]) -> Self {
        Self(durations.to_vec())
    }
}

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

/// How much a second, several times.
#[derive(Default)]
pub(crate) struct Rates(Vec<f64>);

impl Rates {
    pub(crate) fn push(&mut self, rate: f64) {
        self.0.push(rate);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    /// `name  median/s (min to max, n)`.
    pub(crate) fn row(&self, name: &str) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(0.0, f64::max);
        format!(
            "  {name:<58} {:>8.0} /s  ({least:.0} to {most:.0}, n = {})",
            self.median(),
            self.0.len()
        )
    }

    /// How many times as fast as the other: the median of the rounds, in each of which both had the same machine.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(own, other)| own / other).collect()).median()
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
        let is_kept = match self {
            Self::AtMost(bar) => figure <= bar,
            Self::AtLeast(bar) => figure >= bar,
        };
        let verdict = if is_kept { "kept" } else { "MISSED" };
        println!("  {name}: {figure:.2} ({}, {verdict})", self.words());
    }

    pub(crate) fn words(self) -> String {
        match self {
            Self::AtMost(bar) => format!("bar: at most {bar}"),
            Self::AtLeast(bar) => format!("bar: at least {bar}"),
        }
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
