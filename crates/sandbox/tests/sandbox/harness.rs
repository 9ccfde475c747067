//! Running specs, and waiting for conditions.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use outwork_sandbox::{
    ExitStatus, Privileges, Running, Sandbox, SandboxError, Spec, User, plan, probe,
};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longest wait for anything. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn launcher() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_outwork-sandbox-init"))
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A spec that runs a script of `sh`.
pub fn shell(script: &str) -> Spec {
    Spec::new(["sh", "-c", script])
}

/// A spec that runs a script of Python.
pub fn python(script: &str) -> Spec {
    Spec::new(["/usr/bin/python3", "-c", script])
}

/// `count` daemons as bad as they come: forked twice, own session, every signal ignored that can be, output held open or
/// closed, every other one stopped. Prints `ready` when all are there, then does `after`.
pub fn daemons(count: u32, after: &str) -> Spec {
    python(&format!(
        "
import os, signal, sys, time
ready_r, ready_w = os.pipe()
for n in range({count}):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for s in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}: signal.signal(s, signal.SIG_IGN)
            if n % 3: [os.close(fd) for fd in (0, 1, 2)]
            os.write(ready_w, b'x')
            if n % 2: os.kill(os.getpid(), signal.SIGSTOP)
            while True: time.sleep(1000)
        os._exit(0)
    os.wait()
for n in range({count}): os.read(ready_r, 1)
print('ready', flush=True)
{after}"
    ))
}

/// Root inside, with privileges over its own files.
pub fn privileged(mut spec: Spec) -> Spec {
    spec.further_users = vec![spec.user];
    spec.user = User {
        uid: 0,
        gid: 0,
        name: "root".to_owned(),
        home: "/root".into(),
    };
    spec.privileges = Privileges::OwnFiles;
    spec
}

#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

pub async fn spawn(spec: &Spec) -> Result<Running, SandboxError> {
    Sandbox::spawn(
        plan(spec, &probe()).expect("this machine can carry it out"),
        launcher(),
    )
    .await
}

/// Run to the end; nothing may be left in the sandbox.
pub async fn run(spec: &Spec) -> Output {
    let mut running = spawn(spec).await.unwrap();
    let output = within("the sandbox to end", finish(&mut running)).await;
    assert_eq!(running.pid_namespace().processes(), [] as [u32; 0]);
    output
}

/// Run to the end, which must be a success.
pub async fn stdout(spec: &Spec) -> String {
    let output = run(spec).await;
    assert_eq!(output.status, ExitStatus::Code(0), "{output:?}");
    output.stdout
}

pub async fn finish(running: &mut Running) -> Output {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut out = running.stdout.take().expect("stdout is piped");
    let mut err = running.stderr.take().expect("stderr is piped");
    let (status, _, _) = tokio::join!(
        running.wait(),
        out.read_to_end(&mut stdout),
        err.read_to_end(&mut stderr)
    );
    Output {
        status: status.unwrap(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Look again and again until `look` says it is as wished; else fail with what it last saw.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > deadline => {
                panic!("waited in vain for {what}; last seen: {seen}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A directory of the worker's, like the ones it keeps: closed to everybody else.
pub fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o700);
    directory
}

pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// By another process: what a test beside this one forks could hold a file of ours open for writing, and then it cannot be
/// executed.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// A copy of the launcher where any user can run it.
pub fn launcher_for_everybody(dir: &Path) -> PathBuf {
    let copy = dir.join("outwork-sandbox-init");
    copy_program(launcher(), &copy);
    set_mode(dir, 0o755);
    set_mode(&copy, 0o755);
    copy
}

/// Not used by anything: the last ids but one are conventionally nobody's.
pub const ORDINARY: u32 = 65_533;

/// The backend that needs nothing but the kernel.
pub const NAMESPACES: &str = "namespaces";

/// Start the little worker of the launcher's program with a spec.
pub fn start_worker(program: &Path, dir: &Path, spec: &Spec, as_ordinary_user: bool) -> Child {
    start_worker_with(NAMESPACES, program, dir, spec, as_ordinary_user)
}

/// The same with another backend.
pub fn start_worker_with(
    backend: &str,
    program: &Path,
    dir: &Path,
    spec: &Spec,
    as_ordinary_user: bool,
) -> Child {
    let file = dir.join("spec.json");
    std::fs::write(&file, serde_json::to_vec(spec).unwrap()).unwrap();
    set_mode(&file, 0o644);
    let mut command = if as_ordinary_user && is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                &format!("--reuid={ORDINARY}"),
                &format!("--regid={ORDINARY}"),
                "--clear-groups",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .args(["run", backend])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

pub type Lines = tokio::io::Lines<BufReader<tokio::process::ChildStdout>>;

pub async fn line(lines: &mut Lines) -> serde_json::Value {
    let line = within("a line of the worker", lines.next_line())
        .await
        .unwrap()
        .expect("the worker says more");
    serde_json::from_str(&line).unwrap()
}
