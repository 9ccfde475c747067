//! The launcher on its own, for this crate's tests and example; the product's one binary does the same in a hidden
//! subcommand. `outwork-sandbox-init run BACKEND SPEC.json` is a small worker: it runs one sandbox, with itself as the
//! launcher, sends the signals whose numbers it reads, and prints what it sees as lines of JSON, so that a test can be
//! another user, or kill a worker. What the handles show is read after the end.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use outwork_sandbox::{
    Backend, ExitStatus, LAUNCHER_ARGUMENT, Running, Sandbox, Spec, launcher_main, probe,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1..).unwrap_or_default() {
        [argument] if argument == LAUNCHER_ARGUMENT => Ok(launcher_main()),
        [argument, backend, spec] if argument == "run" => {
            let backend = backend.parse()?;
            let spec = serde_json::from_slice(&std::fs::read(spec).context("reading the spec")?)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(run(&backend, &spec))?;
            // Not waiting for the thread that reads our input.
            runtime.shutdown_background();
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            anyhow::bail!("usage: outwork-sandbox-init {LAUNCHER_ARGUMENT} | run BACKEND SPEC.json")
        }
    }
}

async fn run(backend: &Backend, spec: &Spec) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let result = async {
        let plan = backend.plan(spec, &probe())?;
        let mut running = Sandbox::spawn(plan, Path::new(&program)).await?;
        print(&serde_json::json!({ "started": running.pid_namespace(), "launcher": running.launcher_pid() })).await?;
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut out = running.stdout.take().context("stdout is piped")?;
        let mut err = running.stderr.take().context("stderr is piped")?;
        let (status, _, _) = tokio::join!(
            wait(&mut running),
            out.read_to_string(&mut stdout),
            err.read_to_string(&mut stderr)
        );
        let mut hits = running.take_limit_hits().context("nobody took them")?;
        let hits: Vec<_> = std::iter::from_fn(|| hits.try_recv().ok()).collect();
        let hit = running.limit_hit();
        let handles = running.take_handles();
        let shown: Vec<Vec<String>> = handles.iter().map(show).collect::<Result<_, _>>()?;
        print(&serde_json::json!({ "ended": status?, "stdout": stdout, "stderr": stderr, "handles": shown, "limit_hit": hit, "limit_hits": hits })).await
    };
    match result.await {
        Ok(()) => Ok(()),
        Err(error) => print(&serde_json::json!({ "failed": format!("{error:#}") })).await,
    }
}

/// To the end, sending the signals whose numbers come in, a line each.
async fn wait(running: &mut Running) -> anyhow::Result<ExitStatus> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let line = tokio::select! {
            status = running.wait() => return Ok(status?),
            line = lines.next_line() => line?,
        };
        match line {
            Some(signal) => running.signal(signal.parse()?)?,
            None => return Ok(running.wait().await?),
        }
    }
}

/// Every path below a directory, with what is in it.
fn show(handle: &OwnedFd) -> anyhow::Result<Vec<String>> {
    let top = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let mut shown = Vec::new();
    let mut left = vec![top.clone()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path.strip_prefix(&top)?.display().to_string();
            let kind = path.symlink_metadata()?.file_type();
            shown.push(if kind.is_dir() {
                left.push(path);
                format!("{name}/")
            } else if kind.is_file() {
                format!("{name}: {}", std::fs::read_to_string(&path)?)
            } else if kind.is_symlink() {
                format!("{name} -> {}", path.read_link()?.display())
            } else {
                format!("{name}: {kind:?}")
            });
        }
    }
    shown.sort();
    Ok(shown)
}

async fn print(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut stdout = tokio::io::stdout();
    stdout.write_all(format!("{line}\n").as_bytes()).await?;
    Ok(stdout.flush().await?)
}
