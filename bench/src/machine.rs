//! What the machine did beside the benchmark: without it a figure says little.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::stats::{Bar, Series};

/// Above this share of the machine no bar is judged.
const OTHERS: f64 = 0.3;
/// How often the disk is flushed for its figure.
const FLUSHES: usize = 200;
/// What one flush carries, in bytes.
const RECORD: usize = 512;

/// From the start of a benchmark to its end.
pub(crate) struct Watch {
    before: Ticks,
    flush: Duration,
}

/// Processor time, in ticks of the kernel.
struct Ticks {
    /// Of all processors, idle or not.
    all: u64,
    idle: u64,
    /// Of this process and all that it started.
    own: u64,
}

impl Watch {
    /// Measures the disk of that directory, and begins to count.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        Ok(Self {
            flush: flush(dir)?,
            before: Ticks::now()?,
        })
    }

    /// Prints what the machine was like, and answers what judges the bars.
    pub(crate) fn end(self, dir: &Path) -> Result<Judge> {
        let now = Ticks::now()?;
        let all = now.all - self.before.all;
        let busy = all - (now.idle - self.before.idle);
        let others = busy.saturating_sub(now.own.saturating_sub(self.before.own));
        let others = others as f64 / all.max(1) as f64;
        println!(
            "  the machine: {RECORD} bytes and a flush take {:.2} ms before and {:.2} ms after (p50); others took {:.0} % of it",
            millis(self.flush),
            millis(flush(dir)?),
            100.0 * others
        );
        Ok(Judge { others })
    }
}

/// Judges bars, or says why it does not.
pub(crate) struct Judge {
    others: f64,
}

impl Judge {
    pub(crate) fn judge(&self, bar: Bar, name: &str, figure: f64) {
        if self.others <= OTHERS {
            bar.report(name, figure);
        } else {
            println!(
                "  {name}: {figure:.2} ({}; NOT JUDGED, others took {:.0} % of the machine)",
                bar.words(),
                100.0 * self.others
            );
        }
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How long it takes to append a small record and to flush it, the median.
fn flush(dir: &Path) -> Result<Duration> {
    let mut file = tempfile::tempfile_in(dir)?;
    let mut series = Series::default();
    for _ in 0..FLUSHES {
        let start = Instant::now();
        file.write_all(&[7; RECORD])?;
        file.sync_data()?;
        series.push(start.elapsed());
    }
    Ok(series.median())
}

impl Ticks {
    fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat has a first line")?;
        let fields = line.split_whitespace().skip(1).take(8);
        let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self {
            all: fields.iter().sum(),
            // Idle, and idle because of the disk.
            idle: fields[3] + fields[4],
            own: of_tree(std::process::id())?,
        })
    }
}

/// The ticks of a process and of all that it started, in `/proc/PID/stat`.
fn of_tree(root: u32) -> Result<u64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut ticks = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // A process may end meanwhile.
        let Some((parent, used)) = stat(pid, true) else {
            continue;
        };
        children.entry(parent).or_default().push(pid);
        ticks.insert(pid, used);
    }
    let mut sum = 0;
    let mut left = vec![root];
    while let Some(pid) = left.pop() {
        sum += ticks.get(&pid).copied().unwrap_or(0);
        left.extend(children.remove(&pid).unwrap_or_default());
    }
    Ok(sum)
}

/// How much processor time a process used so far.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let (_, ticks) = stat(pid, false).context("the process is there")?;
    // The kernel counts in hundredths for programs, whatever its own clock does.
    Ok(Duration::from_millis(10 * ticks))
}

/// How much memory a process has resident, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.context("VmRSS is listed")?;
    Ok(number.trim().trim_end_matches(" kB").parse()?)
}

/// The parent, and the ticks used by the process itself or with its ended children.
fn stat(pid: u32, with_children: bool) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may hold anything; it ends with the last bracket.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let parent = fields.get(1)?.parse().ok()?;
    let own = number(11)? + number(12)?;
    let ended = number(13)? + number(14)?;
    Some((parent, if with_children { own + ended } else { own }))
}
