//! Many seeds, on several threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::cluster::Template;
use crate::mutant::Mutant;
use crate::simulation::{Figures, Outcome, run};

/// How many lines of a trace are printed.
const LINES: usize = 60;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Found {
    /// How many were run.
    pub seeds: u64,
    /// What they did together.
    pub figures: Figures,
    /// The lowest of those that broke a promise.
    pub broken: Option<Outcome>,
    /// How long it took.
    pub took: Duration,
}

/// Runs seeds until one breaks a promise, all are run, or the time is over.
pub fn search(seeds: Range<u64>, mutant: Option<Mutant>, threads: usize, limit: Duration) -> Found {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for index in 0..threads {
            let (next, found, seeds) = (&next, &found, &seeds);
            scope.spawn(move || {
                pin(index);
                runtime().block_on(async {
                    let template = Template::make().await;
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let is_over = found.lock().expect("nobody panics").broken.is_some();
                        if seed >= seeds.end || is_over || begun.elapsed() > limit {
                            return;
                        }
                        let outcome = run(&template, seed, mutant, false).await;
                        found.lock().expect("nobody panics").add(outcome);
                    }
                });
            });
        }
    });
    let mut found = found.into_inner().expect("nobody panics");
    found.took = begun.elapsed();
    found
}

/// Runs one seed and writes down what happens.
pub fn replay(seed: u64, mutant: Option<Mutant>) -> Outcome {
    runtime().block_on(async {
        let template = Template::make().await;
        run(&template, seed, mutant, true).await
    })
}

impl Found {
    fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.figures.add(&outcome.figures);
        let is_lower = self
            .broken
            .as_ref()
            .is_none_or(|broken| outcome.seed < broken.seed);
        if outcome.violation.is_some() && is_lower {
            self.broken = Some(outcome);
        }
    }

    /// How many seeds a minute.
    pub fn per_minute(&self) -> f64 {
        self.seeds as f64 * 60.0 / self.took.as_secs_f64()
    }
}

/// What a seed that broke a promise did, and how it is run again.
pub fn report(outcome: &Outcome, mutant: Option<Mutant>) -> String {
    let Some(violation) = &outcome.violation else {
        return format!("seed {} keeps all promises", outcome.seed);
    };
    let again = replay(outcome.seed, mutant);
    let planted = mutant.map_or(String::new(), |mutant| format!(" --mutant {mutant}"));
    let lines = about(&again, &violation.detail);
    format!(
        "seed {} breaks a promise\n{violation}\n\n{}\n\nagain: cargo run -p outwork-simulation -- --seed {} --trace{planted}\n",
        outcome.seed,
        lines.join("\n"),
        outcome.seed
    )
}

/// The end of the trace, of what has to do with the attempts and workers that the violation names.
fn about<'a>(outcome: &'a Outcome, detail: &str) -> Vec<&'a str> {
    let is_name = |word: &&str| {
        let mut chars = word.chars();
        matches!(chars.next(), Some('t' | 'w')) && chars.next().is_some_and(|c| c.is_ascii_digit())
    };
    let words = detail.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let names: Vec<_> = words
        .map(|word| word.trim_end_matches('.'))
        .filter(is_name)
        .collect();
    let trace = outcome.trace.iter().map(String::as_str);
    let mut lines: Vec<_> = trace
        .filter(|line| names.is_empty() || names.iter().any(|name| line.contains(name)))
        .collect();
    lines.split_off(lines.len().saturating_sub(LINES))
}

/// Puts this thread, and all that it starts, on one processor. A seed is one chain of hand-overs between the threads of its
/// database; on one processor each takes half of the time.
fn pin(index: usize) {
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    let processors = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let processors: Vec<_> = processors.collect();
    let mut one = CpuSet::new();
    one.set(processors[index % processors.len()]);
    // It is only slower without.
    let _ = sched_setaffinity(None, &one);
}

fn runtime() -> tokio::runtime::Runtime {
    // Without input and output, which is not needed and makes each wake-up dearer.
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime starts")
}
