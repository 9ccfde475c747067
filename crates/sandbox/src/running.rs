//! Carrying a plan out, and holding what runs.

mod launchers;
mod reached;

use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::MemfdFlags;
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::control::{self, FromWorker, ToWorker};
use crate::error::{SandboxError, Step};
use crate::forward;
use crate::leftover::PidNamespace;
use crate::limit_hit::LimitHit;
use crate::ownership::change_owner;
use crate::plan::{Identity, Plan};
use crate::spec::Stdin;
use crate::syscalls;
pub use launchers::Launchers;
use launchers::Waiting;
use reached::Reached;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It returned this number.
    Code(i32),
    /// It was ended by this signal. Also 9 when the whole sandbox was killed.
    Signal(i32),
}

impl ExitStatus {
    /// It returned zero.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

/// Where sandboxes begin.
#[derive(Debug)]
pub enum Sandbox {}

impl Sandbox {
    /// Carry out `plan`; returns when the command has been executed.
    ///
    /// `launcher` is a program that calls [`crate::launcher_main`] when its only argument is
    /// [`crate::LAUNCHER_ARGUMENT`]. Dropping the future ends what was begun.
    ///
    /// # Errors
    /// The step that failed, why, and what to change. Nothing is left behind.
    pub async fn spawn(plan: Plan, launcher: &Path) -> Result<Running, SandboxError> {
        carry_out(plan, Waiting::start(launcher)?).await
    }
}

async fn carry_out(plan: Plan, launcher: Waiting) -> Result<Running, SandboxError> {
    let Waiting { mut child, control } = launcher;
    let (theirs_input, stdin) = standard_input(&plan.stdin)
        .map_err(|e| SandboxError::caused_by(Step::StartLauncher, "standard input", e))?;
    send_plan(&control, &plan, theirs_input)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut running = Running {
        stdin,
        stdout,
        stderr,
        init: None,
        namespace: PidNamespace(0),
        exit: None,
        failed: None,
        child,
        control,
        tasks: JoinSet::new(),
        changed: Vec::new(),
        identity: plan.identity.clone(),
        handles: Vec::new(),
        limits: Reached::default(),
    };
    if let Err(error) = running.await_start(&plan).await {
        running.abandon();
        running.finish().await?;
        return Err(error);
    }
    if let Stdin::Bytes(bytes) = plan.stdin
        && let Some(mut stdin) = running.stdin.take()
    {
        // A command that does not read its input is free to: its end shows as a broken pipe here.
        running.tasks.spawn(async move {
            let _ = stdin.write_all(&bytes).await;
        });
    }
    Ok(running)
}

/// What the command reads from, and where its input is written, if it has any.
fn standard_input(stdin: &Stdin) -> io::Result<(OwnedFd, Option<ChildStdin>)> {
    match stdin {
        Stdin::Null => Ok((std::fs::File::open("/dev/null")?.into(), None)),
        Stdin::Bytes(_) | Stdin::Piped => {
            let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            let writer = ChildStdin::from_std(std::process::ChildStdin::from(writer))?;
            Ok((reader, Some(writer)))
        }
    }
}

/// In a file of memory: neither arguments nor environment, which other users can read, and of any size. With it what the
/// command reads from.
fn send_plan(control: &AsyncFd<OwnedFd>, plan: &Plan, stdin: OwnedFd) -> Result<(), SandboxError> {
    let send = || -> io::Result<()> {
        let mut file = std::fs::File::from(rustix::fs::memfd_create("plan", MemfdFlags::CLOEXEC)?);
        file.write_all(&serde_json::to_vec(plan)?)?;
        file.rewind()?;
        control::send(control.get_ref(), &FromWorker::Plan, &[file.into(), stdin])
    };
    match send() {
        // It has ended already; what it said, if anything, is yet to be read.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
    .map_err(|e| SandboxError::caused_by(Step::StartLauncher, "sending the plan", e))
}

/// A command in its sandbox. Dropping it kills everything inside.
#[derive(Debug)]
pub struct Running {
    /// For [`Stdin::Piped`]; drop it to end the input.
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
    init: Option<(Killer, AsyncFd<OwnedFd>)>,
    namespace: PidNamespace,
    exit: Option<ExitStatus>,
    failed: Option<SandboxError>,
    child: Child,
    control: AsyncFd<OwnedFd>,
    /// Forwards, and the writer of the input.
    tasks: JoinSet<()>,
    /// Sources that belong to the sandbox's ids until it has ended.
    changed: Vec<PathBuf>,
    identity: Identity,
    handles: Vec<OwnedFd>,
    limits: Reached,
}

impl Running {
    /// Wait for the command to end, and for everything else in the sandbox, which ends with it. Can be called again,
    /// and the future can be dropped. Read the output at the same time: a full pipe stops the command.
    ///
    /// # Errors
    /// The sandbox was lost in a way that is not an end of the command.
    pub async fn wait(&mut self) -> Result<ExitStatus, SandboxError> {
        while self.exit.is_none() && self.failed.is_none() {
            match self.next_message().await {
                Ok(Some((ToWorker::Exited(status), _))) => self.exit = Some(status),
                Ok(Some((ToWorker::Failed(error), _))) => self.failed = Some(error),
                Ok(Some((ToWorker::LimitHit(hit), _))) => self.limits.add(hit),
                Ok(Some((
                    ToWorker::Created { .. }
                    | ToWorker::Listening
                    | ToWorker::Handles
                    | ToWorker::Started,
                    _,
                ))) => {}
                // Killed from outside: nobody was left to say so.
                Ok(None) => self.exit = Some(ExitStatus::Signal(Signal::KILL.as_raw())),
                // It may still run: whoever is told of an end, however bad, relies on that nothing is left.
                Err(error) => {
                    self.abandon();
                    self.failed = Some(error);
                }
            }
        }
        self.finish().await?;
        match (&self.exit, &self.failed) {
            (Some(status), _) => Ok(*status),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => unreachable!("the loop above ends with one of them"),
        }
    }

    /// Kill everything in the sandbox and wait until it is gone.
    ///
    /// # Errors
    /// As for [`Running::wait`].
    pub async fn kill(&mut self) -> Result<ExitStatus, SandboxError> {
        self.killer().kill();
        self.wait().await
    }

    /// Send a signal, for example 15, to the command's process group; nothing else in the sandbox gets it.
    ///
    /// # Errors
    /// The sandbox has ended.
    pub fn signal(&self, signal: i32) -> Result<(), SandboxError> {
        control::send(
            self.control.get_ref(),
            &FromWorker::Signal(signal),
            &[] as &[OwnedFd],
        )
        .map_err(|e| SandboxError::caused_by(Step::Supervise, "sending a signal", e))
    }

    /// Something that can kill the sandbox from elsewhere.
    pub fn killer(&self) -> Killer {
        self.init
            .as_ref()
            .map(|(killer, _)| killer.clone())
            .expect("a sandbox that runs has a first process")
    }

    /// The directories of [`crate::Spec::handles`], in order, opened before the command began; the first call gets them
    /// all. Each is good for looking names up in it (`O_PATH`), also through `/proc/self/fd`, by the worker's rights,
    /// while the sandbox runs and after its end. It shows the one tree that the directory is in: after the end not what
    /// was mounted below. As long as one is open its overlay stays mounted: drop it before what is below is removed or
    /// used again.
    pub fn take_handles(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.handles)
    }

    /// The limit that the command ended by, once [`Running::wait`] has returned: everything in the sandbox was killed
    /// for it, or the command itself was, or the command ended with code 137, by which a shell says that what it waited
    /// for was killed.
    pub fn limit_hit(&self) -> Option<LimitHit> {
        self.limits.ended_by(self.exit?)
    }

    /// Limits as they are reached, whether or not the command runs on; the first call gets them all. They come while
    /// [`Running::wait`] is awaited, at most a few in a second; of those that nobody takes the first 64 are kept.
    pub fn take_limit_hits(&mut self) -> Option<mpsc::Receiver<LimitHit>> {
        self.limits.take()
    }

    /// For asking which processes are inside.
    pub fn pid_namespace(&self) -> PidNamespace {
        self.namespace
    }

    /// Process id of the launcher on the host.
    pub fn launcher_pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn await_start(&mut self, plan: &Plan) -> Result<(), SandboxError> {
        let mut listeners = Vec::new();
        loop {
            match self.next_message().await? {
                Some((
                    ToWorker::Created {
                        pid_namespace,
                        init_pid: _,
                        changed,
                    },
                    descriptors,
                )) => {
                    self.namespace = PidNamespace(pid_namespace);
                    self.changed = changed;
                    let pidfd = Arc::new(descriptors.into_iter().next().ok_or_else(|| {
                        SandboxError::new(
                            Step::Observe,
                            "the launcher sent no handle of the first process",
                        )
                    })?);
                    let readable = pidfd
                        .try_clone()
                        .and_then(syscalls::watch_readable)
                        .map_err(|e| {
                            SandboxError::caused_by(Step::Observe, "the first process", e)
                        })?;
                    self.init = Some((Killer { pidfd }, readable));
                }
                Some((ToWorker::Listening, descriptors)) => listeners.extend(descriptors),
                Some((ToWorker::Handles, descriptors)) => self.handles.extend(descriptors),
                Some((ToWorker::Started, _)) => break,
                Some((ToWorker::LimitHit(hit), _)) => self.limits.add(hit),
                Some((ToWorker::Failed(error), _)) => return Err(error),
                Some((ToWorker::Exited(_), _)) | None => {
                    return Err(SandboxError::new(
                        Step::Supervise,
                        "it ended before the command began",
                    ));
                }
            }
        }
        for (listener, forward) in listeners.into_iter().zip(&plan.forwards) {
            self.tasks
                .spawn(forward::serve(listener.into(), forward.unix_socket.clone()));
        }
        Ok(())
    }

    /// End whatever has begun, however far it has come.
    fn abandon(&self) {
        if let Some((killer, _)) = &self.init {
            killer.kill();
        }
        // A launcher that has not yet forked sees the end of the plan; the error is that it is gone already.
        let _ = rustix::net::shutdown(self.control.get_ref(), rustix::net::Shutdown::Both);
    }

    async fn next_message(&mut self) -> Result<Option<(ToWorker, Vec<OwnedFd>)>, SandboxError> {
        loop {
            let mut ready = self
                .control
                .readable()
                .await
                .map_err(|e| SandboxError::caused_by(Step::Observe, "the socket", e))?;
            if let Ok(received) = ready.try_io(|socket| control::receive(socket.get_ref())) {
                return received
                    .map_err(|e| SandboxError::caused_by(Step::Observe, "the socket", e));
            }
        }
    }

    /// Wait until the sandbox is empty and the launcher gone, then take back what was lent.
    async fn finish(&mut self) -> Result<(), SandboxError> {
        let lost =
            |e: io::Error| SandboxError::caused_by(Step::Observe, "the end of the sandbox", e);
        if let Some((_, ended)) = &self.init {
            // A pidfd is readable when the process has ended, and the first process of a namespace ends last.
            ended.readable().await.map_err(lost)?.retain_ready();
        }
        self.child.wait().await.map_err(lost)?;
        // The launcher speaks last, and is gone: there is no more to wait for.
        while let Ok(Some((message, _))) = control::receive::<ToWorker>(self.control.get_ref()) {
            if let ToWorker::LimitHit(hit) = message {
                self.limits.add(hit);
            }
        }
        self.tasks.abort_all();
        while let Some(source) = self.changed.last().cloned() {
            let Identity {
                host_uid, host_gid, ..
            } = self.identity;
            let worker = (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            );
            let back = move || change_owner(&source, (host_uid, host_gid), worker);
            let result = tokio::task::spawn_blocking(back)
                .await
                .expect("changing owners does not panic");
            result.map_err(|e| {
                SandboxError::caused_by(Step::ChangeOwner, e.path.display().to_string(), e.cause)
            })?;
            self.changed.pop();
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The launcher reaps the first process and ends; the runtime reaps the launcher.
        self.abandon();
    }
}

/// Kills a sandbox; can be cloned and kept. After the end it does nothing.
#[derive(Clone, Debug)]
pub struct Killer {
    pidfd: Arc<OwnedFd>,
}

impl Killer {
    /// Kill the first process, and so everything inside. Returns before it is gone, see [`Running::wait`].
    pub fn kill(&self) {
        // The only failure left is that it has ended.
        let _ = rustix::process::pidfd_send_signal(&*self.pidfd, Signal::KILL);
    }
}
