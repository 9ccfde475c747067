//! What a cached environment costs: an attempt's start from a snapshot of 50,000 files and 1 GB, beside
//! a copy of the same tree; alone, and while ten attempts run on it.
//!
//! The start is measured from the end of the step before (`checkout`) to the first instruction of the
//! agent, which prints its clock. The disk is what the attempt's directory takes while its agent runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Bench;
use crate::server::{Server, git};
use crate::stats::Series;

const TRACKED_FILES: usize = 10_000;
const SETUP_FILES: usize = 40_000;
const FOLDERS: usize = 400;
/// 10,000 × 4 KiB and 40,000 × 25 KiB are 1.04 GB.
const TRACKED_BYTES: usize = 4 << 10;
const SETUP_KIB: usize = 25;
const NEIGHBOURS: usize = 10;
const COPIES: usize = 5;
/// Says when it started, then does what the prompt asks.
const AGENT: &str = "echo agent $EPOCHREALTIME; read word; [ $word = stay ] && sleep 600; true";

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let dir = tempfile::tempdir_in(&bench.scratch)?;
    let source = dir.path().join("repository");
    repository(&source)?;
    let slots = (NEIGHBOURS + 1).to_string();
    let server = Server::up_with(bench, &[], &["--slots", &slots, "--max-attempts", &slots])?;
    let setup = dir.path().join("setup.sh");
    fs::write(&setup, setup_script())?;
    let (repo, setup) = (source.display().to_string(), setup.display().to_string());
    let create = ["env", "create", "bench", "--repo", &repo, "--setup", &setup];
    let agent = ["--agent-command", AGENT];
    server.run(bench, &[&create[..], &agent[..]].concat())?;

    let begun = Instant::now();
    started(bench, &server)?;
    println!(
        "An attempt's start from a snapshot: {TRACKED_FILES} tracked files, {SETUP_FILES} of setup, 1 GB"
    );
    println!(
        "  cold, setup included: {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let tree = snapshot(&server.worker_dir())?;

    let (mut alone, mut copies) = (Series::default(), Series::default());
    for run in 0..bench.runs {
        alone.push(started(bench, &server)?);
        if run % (bench.runs / COPIES).max(1) == 0 {
            copies.push(copy(&tree, &dir.path().join("copy"))?);
        }
    }
    println!(
        "{}",
        alone.row("from the snapshot to the agent's first process")
    );
    println!("{}", copies.row("cp -a of the same tree"));
    println!(
        "  ratio 1/{:.0} (bar: 1/100, and under 150 ms)",
        copies.median().as_secs_f64() / alone.median().as_secs_f64()
    );

    let alone_disk = stay(bench, &server, 1)?;
    println!(
        "  disk of an attempt whose agent runs: {} KiB (bar: 5 MB)",
        alone_disk.kib_each
    );
    alone_disk.stop(bench, &server)?;

    let neighbours = stay(bench, &server, NEIGHBOURS)?;
    let mut beside = Series::default();
    for _ in 0..bench.runs {
        beside.push(started(bench, &server)?);
    }
    println!(
        "{}",
        beside.row("the same while ten attempts run on the snapshot")
    );
    println!(
        "  {:.2} times as long (bar: 1.5); disk of each of the ten: {} KiB",
        beside.ratio(&alone),
        neighbours.kib_each
    );
    neighbours.stop(bench, &server)?;
    println!();
    Ok(())
}

fn repository(dir: &Path) -> Result<()> {
    let line = "a line of forty characters, with its end\n";
    let text = line.repeat(TRACKED_BYTES / line.len());
    for number in 0..TRACKED_FILES {
        let folder = dir.join(format!("src/{:02}", number % 100));
        if number < 100 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(
            folder.join(format!("file-{number}.txt")),
            format!("{number}\n{text}"),
        )?;
    }
    fs::write(dir.join(".gitignore"), "/dependencies/\n")?;
    git(dir, &["init", "-q", "-b", "main"])?;
    git(dir, &["add", "."])?;
    let who = ["-c", "user.name=b", "-c", "user.email=b@example.invalid"];
    git(dir, &[&who[..], &["commit", "-qm", "start"]].concat())
}

/// Files that differ, as dependencies do.
fn setup_script() -> String {
    let each = SETUP_FILES / FOLDERS;
    format!(
        "for d in $(seq {FOLDERS}); do mkdir -p dependencies/$d; \
         head -c $(({each} * {SETUP_KIB} * 1024)) /dev/urandom | split -a 3 -b {SETUP_KIB}k - dependencies/$d/; done\n"
    )
}

/// Runs a task and says how long its start took.
fn started(bench: &Bench, server: &Server) -> Result<Duration> {
    let task = server.run(
        bench,
        &["exec", "--env", "bench", "--wait", "--json", "start"],
    )?;
    let task = String::from_utf8(task.stdout)?;
    let task: Value = serde_json::from_str(task.lines().last().context("a task")?)?;
    let id = task["id"].as_str().context("an id")?;
    let log = String::from_utf8(server.run(bench, &["log", id, "--json"])?.stdout)?;
    let events: Vec<Value> = log
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let step = |event: &&Value| event["type"] == "step_finished" && event["step"] == "checkout";
    let found = events
        .iter()
        .find(step)
        .context("the end of the step `checkout`")?;
    let found: jiff::Timestamp = found["at"].as_str().context("a time")?.parse()?;
    let output = events.iter().filter(|event| event["type"] == "output");
    let said = output
        .filter_map(|event| event["text"].as_str())
        .find_map(|text| text.strip_prefix("agent "));
    let agent: f64 = said.context("the agent's clock")?.trim().parse()?;
    let from = found.as_microsecond() as f64 / 1e6;
    Ok(Duration::from_secs_f64((agent - from).max(0.0)))
}

/// The one snapshot's tree on the worker's disk.
fn snapshot(worker: &Path) -> Result<PathBuf> {
    let found = Command::new("find")
        .arg(worker.join("snapshots"))
        .args(["-type", "d", "-path", "*/root/workspace", "-prune"])
        .output()?;
    let path = String::from_utf8(found.stdout)?;
    let path = path.lines().next().context("a snapshot")?;
    Ok(PathBuf::from(path))
}

fn copy(tree: &Path, to: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let status = Command::new("cp").arg("-a").arg(tree).arg(to).status()?;
    let taken = begun.elapsed();
    ensure!(status.success(), "cp failed");
    ensure!(
        Command::new("rm").arg("-rf").arg(to).status()?.success(),
        "rm failed"
    );
    Ok(taken)
}

/// Attempts whose agents run until they are cancelled.
struct Staying {
    task: String,
    waiting: Child,
    kib_each: u64,
}

fn stay(bench: &Bench, server: &Server, attempts: usize) -> Result<Staying> {
    let count = attempts.to_string();
    let submitted = server.run(
        bench,
        &[
            "exec",
            "--env",
            "bench",
            "--attempts",
            &count,
            "--json",
            "stay",
        ],
    )?;
    let task: Value = serde_json::from_slice(&submitted.stdout)?;
    let task = task["id"].as_str().context("an id")?.to_owned();
    let waiting = server.spawn(bench, &["log", &task, "--follow"], Stdio::null())?;
    loop {
        let status = server.run(bench, &["status", &task, "--json"])?;
        let status: Value = serde_json::from_slice(&status.stdout)?;
        let turns = status["turns"].as_array().context("turns")?;
        let all = turns
            .last()
            .and_then(|turn| turn["attempts"].as_array())
            .context("attempts")?;
        ensure!(
            all.iter().all(|one| one["ended_at"].is_null()),
            "an attempt ended: {status}"
        );
        if all.iter().filter(|one| one["state"] == "running").count() == attempts {
            break;
        }
        std::io::stdout().flush()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    let used = Command::new("du")
        .arg("-sk")
        .arg(server.worker_dir().join("attempts"))
        .output()?;
    let used = String::from_utf8(used.stdout)?;
    let kib: u64 = used.split_whitespace().next().context("du")?.parse()?;
    Ok(Staying {
        task,
        waiting,
        kib_each: kib / attempts as u64,
    })
}

impl Staying {
    fn stop(mut self, bench: &Bench, server: &Server) -> Result<()> {
        server.run(bench, &["cancel", &self.task])?;
        self.waiting.wait()?;
        Ok(())
    }
}
