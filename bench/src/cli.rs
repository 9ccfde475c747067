//! The commands of the client as people wait for them: the help beside `git --version`, a list beside `codex cloud list`, and a large
//! diff fetched and applied beside `git apply` of the same, and beside `codex apply`.
//!
//! Time is that of the clock; beside it stands that of the processor, which other work on the machine moves less.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use outwork_test_codex::{CLOUD, Client, NEWEST};
use serde_json::Value;

use crate::Bench;
use crate::machine::{Watch, millis};
use crate::server::{Server, git};
use crate::stats::{Bar, Series};

const FILES: usize = 100;
/// Each is changed, which makes two lines of a diff.
const LINES: usize = 100;
const AGENT: &str = "for file in part-*; do sed -i s/line/other/ $file; done";
/// Tasks in the list: a page.
const TASKS: usize = 20;
/// In ticks of the kernel.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("CLI");
    let dir = tempfile::tempdir_in(&bench.scratch)?;
    let source = dir.path().join("repository");
    large_repository(&source)?;
    let server = Server::up(bench, &[])?;
    let url = source.display().to_string();
    let create = [
        "env",
        "create",
        "bench",
        "--repo",
        &url,
        "--agent",
        "command",
        "--agent-command",
        AGENT,
    ];
    server.run(bench, &create)?;
    let task = server.run(
        bench,
        &["exec", "--env", "bench", "--wait", "--json", "change all"],
    )?;
    let task: Value = serde_json::from_slice(&task.stdout)?;
    let task = task["id"].as_str().context("a task has an id")?.to_owned();
    for number in 1..TASKS {
        server.run(
            bench,
            &["exec", "--env", "bench", &format!("task {number}")],
        )?;
    }
    // Nothing else is to run while something is measured.
    until_idle(bench, &server)?;

    let watch = Watch::start(&bench.scratch)?;
    let runs = 5 * bench.runs;
    let (help, git_version) = in_turn(
        runs,
        || Ok(quiet(Command::new(&bench.outwork).arg("--help"))),
        || Ok(quiet(Command::new("git").arg("--version"))),
    )?;
    let codex = codex(bench, &server, CLOUD[CLOUD.len() - 1]);
    let (list, codex_list) = in_turn(
        bench.runs,
        || Ok(server.client(bench, &["list", "--json"])),
        || Ok(codex.command(dir.path(), &["cloud", "list"])),
    )?;
    let gh = match Command::new("gh")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
    {
        Ok(_) => Some(
            in_turn(
                bench.runs,
                || Ok(quiet(Command::new("gh").arg("--version"))),
                || Ok(quiet(&mut Command::new("true"))),
            )?
            .0,
        ),
        Err(_) => None,
    };
    let applied = Applied::measure(bench, &server, dir.path(), &source, &task)?;
    let judge = watch.end(&bench.scratch)?;

    help.show("outwork --help");
    git_version.show("git --version");
    judge.judge(
        Bar::AtMost(1.3),
        "times git --version",
        help.wall.ratios(&git_version.wall).median(),
    );
    list.show("outwork list --json, 20 tasks");
    codex_list.show("codex cloud list");
    match gh {
        Some(gh) => gh.show("gh --version"),
        None => println!("  gh is not installed: not measured"),
    }
    judge.judge(
        Bar::AtMost(6.0),
        "ms for a list, p50",
        millis(list.wall.median()),
    );
    applied.own.show("outwork apply of 20,000 lines, fetched");
    applied.git.show("git apply of the same, from a file");
    applied.codex.show("codex apply of the same, fetched");
    judge.judge(
        Bar::AtMost(1.6),
        "times git apply",
        applied.own.wall.ratios(&applied.git.wall).median(),
    );
    println!();
    Ok(())
}

/// What runs of a command cost.
#[derive(Default)]
struct Cost {
    wall: Series,
    /// Of all runs together, in ticks.
    ticks: u64,
    runs: usize,
}

impl Cost {
    /// Runs it once; it must succeed.
    fn add(&mut self, mut command: Command, is_counted: bool) -> Result<()> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let before = ticks_of_children()?;
        let start = Instant::now();
        let output = command.output()?;
        let took: Duration = start.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}");
        if is_counted {
            self.wall.push(took);
            self.ticks += ticks_of_children()?.saturating_sub(before);
            self.runs += 1;
        }
        Ok(())
    }

    fn show(&self, name: &str) {
        let each = self.ticks as f64 / TICKS_PER_SECOND / self.runs as f64;
        println!("{}, processor {:.1} ms", self.wall.row(name), 1000.0 * each);
    }
}

/// One after the other, so that both have the same machine. The first of each warms the caches and is not counted.
fn in_turn(
    runs: usize,
    mut own: impl FnMut() -> Result<Command>,
    mut other: impl FnMut() -> Result<Command>,
) -> Result<(Cost, Cost)> {
    let (mut one, mut two) = (Cost::default(), Cost::default());
    for run in 0..=runs {
        one.add(own()?, run > 0)?;
        two.add(other()?, run > 0)?;
    }
    Ok((one, two))
}

/// Three ways of getting the same diff into the same files.
struct Applied {
    own: Cost,
    git: Cost,
    codex: Cost,
}

impl Applied {
    fn measure(
        bench: &Bench,
        server: &Server,
        dir: &Path,
        source: &Path,
        task: &str,
    ) -> Result<Self> {
        let clone = dir.join("clone");
        git(
            dir,
            &["clone", "-q", &source.display().to_string(), "clone"],
        )?;
        let patch = dir.join("patch");
        let diff = server.run(bench, &["diff", task])?.stdout;
        let lines = diff.iter().filter(|&&byte| byte == b'\n').count();
        ensure!(
            lines >= 2 * FILES * LINES,
            "the diff has only {lines} lines"
        );
        fs::write(&patch, diff)?;
        let newest = codex(bench, server, NEWEST);
        let base = format!("chatgpt_base_url={}/backend-api", server.url());
        let mut costs = [Cost::default(), Cost::default(), Cost::default()];
        for run in 0..=bench.runs {
            let mut own = server.client(bench, &["apply", task]);
            own.current_dir(&clone);
            let mut by_git = Command::new("git");
            by_git.current_dir(&clone).arg("apply").arg(&patch);
            let by_codex = newest.command(&clone, &["apply", "-c", &base, task]);
            for (cost, command) in costs.iter_mut().zip([own, by_git, by_codex]) {
                cost.add(command, run > 0)?;
                ensure!(is_applied(&clone)?, "nothing was applied");
                git(&clone, &["reset", "-q", "--hard"])?;
            }
        }
        let [own, git, codex] = costs;
        Ok(Self { own, git, codex })
    }
}

fn is_applied(clone: &Path) -> Result<bool> {
    let last = clone.join(format!("part-{}", FILES - 1));
    Ok(fs::read_to_string(last)?.contains("other"))
}

fn quiet(command: &mut Command) -> Command {
    let mut quiet = Command::new(command.get_program());
    quiet.args(command.get_args());
    quiet
}

/// The stock client, signed in to the server.
fn codex(bench: &Bench, server: &Server, version: &'static str) -> Client {
    let target: PathBuf = bench
        .scratch
        .parent()
        .expect("it lies in the target folder")
        .to_owned();
    let base = format!("{}/backend-api", server.url());
    Client::new(&target, version, &base, server.token())
}

/// Files of which every line is changed.
fn large_repository(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    for file in 0..FILES {
        let lines: String = (0..LINES)
            .map(|line| format!("line {line} of {file}\n"))
            .collect();
        fs::write(dir.join(format!("part-{file}")), lines)?;
    }
    git(dir, &["init", "-q", "-b", "main"])?;
    git(dir, &["add", "."])?;
    let who = ["-c", "user.name=b", "-c", "user.email=b@example.invalid"];
    git(dir, &[&who[..], &["commit", "-qm", "start"]].concat())
}

/// Until all tasks have ended.
fn until_idle(bench: &Bench, server: &Server) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        let list: Value = serde_json::from_slice(&server.run(bench, &["list", "--json"])?.stdout)?;
        let tasks = list["tasks"].as_array().context("a list")?;
        if tasks.iter().all(|task| task["status"] == "completed") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("the tasks do not end")
}

/// What ended children of this process have used, in `/proc/self/stat`.
fn ticks_of_children() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("a name in brackets")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // cutime and cstime are the fields 16 and 17 of all; the first here is the third.
    Ok(fields[13].parse::<u64>()? + fields[14].parse::<u64>()?)
}
