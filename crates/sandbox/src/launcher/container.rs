//! A sandbox in which a container runtime runs the command.
//!
//! The first process builds the root that the command is to have, in a root of its own that holds the runtime and little
//! else, and runs the runtime there: as root of the sandbox's user namespace, which is nobody on the host, in the
//! sandbox's other namespaces. What the runtime makes is inside of them, and ends with the first process.

use std::ffi::NulError;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit};

use super::agent::{self, Starting};
use super::exchange::{Outside, Told};
use super::mounts::{self, Opened};
use super::place::{self, Root};
use super::program::Program;
use super::{NO_DESCRIPTORS, handover, init, namespaces, privileges, tree, without_groups};
use crate::backend::Kernel;
use crate::control::{self, FromWorker, ToWorker};
use crate::error::{SandboxError, Step};
use crate::oci::{self, BUNDLE, CommandLine, Contents, LOG, PlannedRuntime, ROOT, TMP};
use crate::plan::{Opener, Plan};
use crate::running::ExitStatus;
use crate::syscalls;

/// Of what a runtime has written about its failure.
const LOG_BYTES: u64 = 64 << 10;
const MESSAGE_CHARACTERS: usize = 500;

/// The root that the runtime runs in, opened as far as it can be.
pub(super) struct Carrier {
    runtime: PlannedRuntime,
    plan: Plan,
    opened: Opened,
    program: Option<Program>,
}

impl Carrier {
    /// None where the first process runs the command itself.
    pub(super) fn open_as_launcher(plan: &Plan) -> Result<Option<Self>, SandboxError> {
        let Some(runtime) = plan.runtime.clone() else {
            return Ok(None);
        };
        let plan = runtime.around(plan);
        let mut opened = Opened::default();
        // Nothing in it is the worker's, so no owner is changed.
        let _ = opened.open_as_launcher(&plan)?;
        let program = match plan.opener {
            Opener::Launcher => Some(Program::open()?),
            Opener::Init => None,
        };
        Ok(Some(Self {
            runtime,
            plan,
            opened,
            program,
        }))
    }

    /// What the first process in the container cannot hold, because its processors are not the machine's.
    fn fenced(&self) -> Option<&Plan> {
        match self.runtime.kernel {
            Kernel::Shared => None,
            Kernel::UserSpace | Kernel::Own => Some(&self.plan),
        }
    }

    /// Open the rest, in the sandbox's own namespaces, while `/proc` is still the one of before.
    fn open_as_init(&mut self) -> Result<Program, SandboxError> {
        self.opened.open_as_init(&self.plan)?;
        match self.program.take() {
            Some(program) => Ok(program),
            None => Program::open(),
        }
    }

    /// Make it the root. `inner` is what the command's root begins with.
    fn enter(
        &mut self,
        program: &Program,
        inner: OwnedFd,
        build_inner: impl FnOnce() -> Result<Option<OwnedFd>, SandboxError>,
    ) -> Result<Contents, SandboxError> {
        let wrong = |what: &str, e| SandboxError::caused_by(Step::BuildRoot, what, e);
        tree::enter(&mounts::empty_root(&self.plan.identity)?)?;
        tree::build(&self.plan, &mut self.opened)?;
        program.show(&Root {
            identity: &self.plan.identity,
        })?;
        let attach = |mount: &OwnedFd, target: &str| {
            place::open(Path::new(target), OFlags::PATH | OFlags::DIRECTORY)
                .map_err(Into::into)
                .and_then(|place| tree::attach(mount, &place))
                .map_err(|e| wrong(target, e))
        };
        attach(&inner, ROOT)?;
        let tmp = tree::within(ROOT, build_inner)?;
        if let Some(tmp) = &tmp {
            attach(tmp, TMP)?;
        }
        Ok(Contents {
            command: program.command(),
            has_tmp: tmp.is_some(),
        })
    }
}

/// The root's `/tmp` as a mount of its own. gVisor covers one that is empty with memory that nobody else sees, unless it
/// is told of a mount there. Opened from inside of the root, where a link leads to nothing else.
fn clone_tmp() -> Result<Option<OwnedFd>, SandboxError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let tmp = match place::open(Path::new("/tmp"), flags) {
        Ok(tmp) => tmp,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(e) => return Err(SandboxError::caused_by(Step::BuildRoot, "/tmp", e)),
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(&tmp, "", flags)
        .map(Some)
        .map_err(|e| SandboxError::caused_by(Step::BuildRoot, "/tmp", e))
}

/// Be the first process from where the host's file system can be left to the end of the command.
pub(super) fn run(
    plan: &Plan,
    mut opened: Opened,
    mut carrier: Carrier,
    control: &OwnedFd,
    go: &OwnedFd,
) -> Result<(), SandboxError> {
    let null = init::open_null()?;
    opened.open_as_init(plan)?;
    let program = carrier.open_as_init()?;
    let proc = carrier.opened.proc(&carrier.plan)?;
    let shared = carrier.opened.memory_file_systems(&carrier.plan);
    let memory: Vec<_> = opened.memory_file_systems(plan).chain(shared).collect();
    handover::hand_over(&proc, &memory, go)?;
    let own = carrier.runtime.user_namespaces();
    namespaces::allow_users(proc.as_fd(), own)?;
    let inner = opened.mount_overlays(plan)?;
    let contents = carrier.enter(&program, inner, || {
        tree::build(plan, &mut opened)?;
        init::hand_over_directories(plan, control)?;
        clone_tmp()
    })?;
    let exchange = Outside::create(&Told {
        kernel: carrier.runtime.kernel,
        plan: carrier.runtime.inside(plan),
    })?;
    let config = oci::config(plan, &carrier.runtime, &contents).to_string();
    fs::write(format!("{BUNDLE}/config.json"), config)
        .and_then(|()| tree::read_only(Path::new("/")))
        .map_err(|e| SandboxError::caused_by(Step::StartRuntime, BUNDLE, e))?;
    let signals = syscalls::child_signal()
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "signals", e))?;
    let starting = start_runtime(carrier.runtime.run(), carrier.fenced())?;
    privileges::keep_for_init(plan)?;
    syscalls::detach_standard_streams(null.as_fd())
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "the standard streams", e))?;
    let process = starting.wait_until_executed()?;
    let mut watch = Watch {
        runtime: &carrier.runtime,
        exchange,
        control,
        launcher: go,
        started: false,
        ended: None,
    };
    watch.until_the_end(&signals, process)
}

/// Start the runtime's program. It keeps the privileges of this process, which hold in the sandbox's namespaces only.
fn start_runtime(
    command_line: Result<CommandLine, NulError>,
    fenced: Option<&Plan>,
) -> Result<Starting, SandboxError> {
    let command_line =
        command_line.map_err(|e| SandboxError::new(Step::StartRuntime, e.to_string()))?;
    agent::start_with(|| match fenced.map_or(Ok(()), without_groups::put_up) {
        Ok(()) => become_runtime(&command_line),
        Err(error) => error,
    })
}

/// Returns only if it could not be executed.
fn become_runtime(command_line: &CommandLine) -> SandboxError {
    let CommandLine {
        program,
        arguments,
        environment,
    } = command_line;
    let prepare = || -> io::Result<()> {
        syscalls::new_session()?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        // As for a command: what it has in memory is for no program of the host's.
        let core = Rlimit {
            current: Some(1),
            maximum: Some(1),
        };
        rustix::process::setrlimit(Resource::Core, core)?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
        rustix::thread::set_no_new_privs(true)?;
        rustix::process::chdir(BUNDLE)?;
        syscalls::close_on_exec_from(3)
    };
    let error = match prepare() {
        Ok(()) => {
            syscalls::default_signals();
            syscalls::execute(program, arguments, environment)
        }
        Err(error) => error,
    };
    SandboxError::caused_by(Step::StartRuntime, program.to_string_lossy(), error)
}

/// What has happened so far.
struct Watch<'a> {
    runtime: &'a PlannedRuntime,
    exchange: Outside,
    control: &'a OwnedFd,
    launcher: &'a OwnedFd,
    started: bool,
    ended: Option<ExitStatus>,
}

impl Watch<'_> {
    fn until_the_end(&mut self, signals: &OwnedFd, process: Pid) -> Result<(), SandboxError> {
        loop {
            let changes = self.exchange.changes();
            let mut fds = [
                PollFd::new(signals, PollFlags::IN),
                PollFd::new(self.control, PollFlags::IN),
                PollFd::new(self.launcher, PollFlags::empty()),
                PollFd::from_borrowed_fd(changes, PollFlags::IN),
            ];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(SandboxError::caused_by(Step::Supervise, "waiting", e)),
            }
            let [child_ended, from_worker, launcher_gone, said] =
                fds.map(|fd| !fd.revents().is_empty());
            // First what reaped the child: what it said before is there then.
            let end = if child_ended {
                while syscalls::next_signal(signals.as_fd()).is_some() {}
                init::reap(process)
            } else {
                None
            };
            if said || end.is_some() {
                self.listen()?;
            }
            if let Some(status) = end {
                return self.report(status);
            }
            if launcher_gone {
                return Ok(());
            }
            if from_worker {
                match control::receive::<FromWorker>(self.control) {
                    Ok(Some((FromWorker::Signal(signal), _))) => self.pass_on(signal)?,
                    Ok(Some((FromWorker::Plan, _))) => {}
                    Ok(None) | Err(_) => return Ok(()),
                }
            }
        }
    }

    fn listen(&mut self) -> Result<(), SandboxError> {
        for message in self.exchange.said()? {
            match message {
                ToWorker::Started if !self.started => {
                    self.started = true;
                    init::say_started(self.control, self.launcher)?;
                }
                ToWorker::Exited(status) if self.started => {
                    self.ended.get_or_insert(status);
                }
                ToWorker::Failed(error) if !self.started => return Err(error),
                ToWorker::Created { .. }
                | ToWorker::Listening
                | ToWorker::Handles
                | ToWorker::Started
                | ToWorker::LimitHit(_)
                | ToWorker::Exited(_)
                | ToWorker::Failed(_) => {}
            }
        }
        Ok(())
    }

    /// To the first process in the container, and from there to the command.
    fn pass_on(&self, signal: i32) -> Result<(), SandboxError> {
        start_runtime(self.runtime.kill(signal), None)?
            .wait_until_executed()
            .map(drop)
    }

    /// The runtime has ended, as this says.
    fn report(&self, status: ExitStatus) -> Result<(), SandboxError> {
        let ended = match (self.started, self.ended) {
            (true, Some(status)) => status,
            // What was in the container was killed, or the runtime.
            (true, None) => ExitStatus::Signal(libc::SIGKILL),
            (false, _) => return Err(not_started(self.runtime, status)),
        };
        // A worker that is gone needs no answer.
        let _ = control::send(self.control, &ToWorker::Exited(ended), &NO_DESCRIPTORS);
        Ok(())
    }
}

fn not_started(runtime: &PlannedRuntime, status: ExitStatus) -> SandboxError {
    let mut log = Vec::new();
    if let Ok(file) = fs::File::open(LOG) {
        // What cannot be read says nothing.
        let _ = file.take(LOG_BYTES).read_to_end(&mut log);
    }
    let log = String::from_utf8_lossy(&log);
    let lines = || log.lines().rev().filter(|line| !line.trim().is_empty());
    let wrong = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.contains("error") || line.contains("fatal")
    };
    let said = lines().find(wrong).or_else(|| lines().next());
    let detail = match said {
        Some(line) => line.chars().take(MESSAGE_CHARACTERS).collect(),
        None => format!("it ended with {status:?} and said nothing"),
    };
    SandboxError::new(Step::StartRuntime, format!("{}: {detail}", runtime.name))
}
