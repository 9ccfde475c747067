//! From the lease of an attempt to the Codex CLI's first request to the model, beside a bare
//! `codex app-server` with the same configuration: its start, handshake and first turn.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use outwork_agents::{AbsolutePath, Agent, Effect, LaunchContext, Model, Prepared};
use scripted_model::{Scenario, Script, ScriptedModel, Step};
use serde_json::Value;

use crate::Bench;
use crate::server::{Server, repository};
use crate::stats::Series;

const PROMPT: &str = "say hello";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let dir = tempfile::tempdir_in(&bench.scratch)?;
    let source = dir.path().join("repository");
    repository(&source)?;
    let hello = Scenario::new().script(Script::when(PROMPT).step(Step::new().say("Hello.")));
    let model = ScriptedModel::start(hello)?;
    let base_url = format!("{}/v1", model.url());
    let server = Server::up(
        bench,
        &[
            ("OUTWORK_MODEL_BASE_URL", base_url.as_str()),
            ("OUTWORK_MODEL_NAME", "scripted-1"),
            ("OUTWORK_MODEL_API_KEY", model.api_key()),
        ],
    )?;
    let url = source.display().to_string();
    server.run(
        bench,
        &["env", "create", "bench", "--repo", &url, "--agent", "codex"],
    )?;

    let (mut outwork, mut bare) = (Series::default(), Series::default());
    for run in 0..=bench.runs / 2 {
        let leased = lease_to_request(bench, &server)?;
        let by_hand = start_to_request(bench, &model, dir.path(), &source, run)?;
        if run > 0 {
            outwork.push(leased);
            bare.push(by_hand);
        }
    }
    println!("Codex, to its first request to the model (bar: ratio 1.5)");
    println!(
        "{}",
        outwork.row("Outwork, from the lease: checkout, sandbox, codex")
    );
    println!("{}", bare.row("bare codex app-server, from its start"));
    println!("  ratio: {:.2}", outwork.ratio(&bare));
    Ok(())
}

/// By the attempt's own log: server and worker have the same clock here.
fn lease_to_request(bench: &Bench, server: &Server) -> Result<Duration> {
    let output = server.run(
        bench,
        &["exec", "--env", "bench", "--wait", "--json", PROMPT],
    )?;
    let text = String::from_utf8(output.stdout)?;
    let task: Value = serde_json::from_str(text.lines().last().context("a task")?)?;
    let id = task["id"].as_str().context("an id")?;
    let log = String::from_utf8(server.run(bench, &["log", id, "--json"])?.stdout)?;
    let events: Vec<Value> = log
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let at = |what: &dyn Fn(&Value) -> bool| {
        let event = events
            .iter()
            .find(|event| what(event))
            .context("the event is in the log")?;
        milliseconds(event["at"].as_str().context("a time")?)
    };
    let leased = at(&|event| event["state"] == "leased")?;
    let called = at(&|event| event["type"] == "model_call_started")?;
    Ok(Duration::from_millis(called.saturating_sub(leased)))
}

/// Milliseconds since midnight of an RFC 3339 time in UTC.
fn milliseconds(time: &str) -> Result<u64> {
    let clock = time.get(11..23).context("milliseconds are written out")?;
    let number = |range: std::ops::Range<usize>| clock[range].parse::<u64>();
    Ok(((number(0..2)? * 60 + number(3..5)?) * 60 + number(6..8)?) * 1000 + number(9..12)?)
}

fn start_to_request(
    bench: &Bench,
    model: &ScriptedModel,
    dir: &Path,
    cwd: &Path,
    run: usize,
) -> Result<Duration> {
    let home = dir.join(format!("home-{run}"));
    fs::create_dir(&home)?;
    let context = LaunchContext {
        home: absolute(&home)?,
        cwd: absolute(cwd)?,
        model: Some(Model {
            name: "scripted-1".into(),
            base_url: format!("{}/v1", model.url()),
            context_window_tokens: 128_000,
        }),
        prompt: PROMPT.into(),
        question: None,
        interactive: false,
        output_schema: None,
        turn_number: 1,
        session: None,
        model_idle_timeout_ms: 60_000,
    };
    let before = model.requests().len();
    let start = Instant::now();
    let codex = Agent::Codex {
        binary_root: absolute(&codex_root(bench)?)?,
    };
    let Prepared {
        launch,
        mut adapter,
    } = codex.prepare(context)?;
    for directory in &launch.directories {
        fs::create_dir_all(home.join(directory.as_str()))?;
    }
    for file in &launch.files {
        let path = home.join(file.path.as_str());
        fs::create_dir_all(path.parent().unwrap_or(&home))?;
        fs::write(&path, &file.contents)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    let mut child = Command::new(&launch.argv[0])
        .args(&launch.argv[1..])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .current_dir(cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("piped")?;
    let mut stdout = child.stdout.take().context("piped")?;
    std::thread::scope(|scope| {
        let driver = scope.spawn(move || -> Result<()> {
            let mut buffer = vec![0; 65_536];
            let mut effects = adapter.start();
            loop {
                for effect in effects.drain(..) {
                    if let Effect::WriteStdin(bytes) = effect {
                        stdin.write_all(&bytes)?;
                    }
                }
                let count = stdout.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                effects = adapter.on_stdout(&buffer[..count]);
            }
        });
        while model.requests().len() == before
            && start.elapsed() < PATIENCE
            && !driver.is_finished()
        {
            std::thread::park_timeout(Duration::from_micros(200));
        }
        let elapsed = start.elapsed();
        let asked = model.requests().len() > before;
        child.kill()?;
        child.wait()?;
        let driven = driver.join().expect("the driver does not panic");
        if !asked {
            driven?;
            bail!("codex did not ask the model");
        }
        Ok(elapsed)
    })
}

/// The package's `vendor/<target>` directory, wherever the installation keeps it.
fn codex_root(bench: &Bench) -> Result<std::path::PathBuf> {
    let mut folders = vec![bench.agents_dir.clone()];
    while let Some(folder) = folders.pop() {
        if folder.join("bin/codex").is_file() {
            return Ok(folder);
        }
        for entry in fs::read_dir(&folder)?.flatten() {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bail!("codex is not installed in {}", bench.agents_dir.display())
}

fn absolute(path: &Path) -> Result<AbsolutePath> {
    Ok(AbsolutePath::parse(
        path.to_str().context("a path in UTF-8")?,
    )?)
}
