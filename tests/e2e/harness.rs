//! What the tests stand on: a running Outwork, its commands, a repository, and what they say.

mod client;
mod kept;
mod log;
mod machine;
mod process;
mod repository;
mod running;
mod servers;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use client::Done;
pub use kept::Kept;
pub use log::Log;
pub use machine::Machine;
pub use process::{Hold, Process, Worker, processes_with};
pub use repository::{Repository, git};
pub use running::{ORDINARY, Outwork};
pub use servers::{Servers, credentials};

/// The binary under test.
pub const OUTWORK: &str = env!("CARGO_BIN_EXE_outwork");

/// How long anything may take before a test says what it saw last.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Which store a test runs on.
#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Makes a module with the test for each store.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::harness::Engine::Sqlite) })+
        }
        mod postgres {
            $(#[test] fn $name() { super::$name($crate::harness::Engine::Postgres) })+
        }
    };
}
pub(crate) use on_both_stores;

/// A directory for a test, on the disk of the target folder: agents refuse homes below `/tmp`.
pub fn scratch() -> TempDir {
    let new = tempfile::Builder::new().prefix("e2e-").tempdir_in(place());
    new.expect("a directory for the test")
}

/// A directory that everybody can read.
pub fn open_scratch() -> TempDir {
    let is_open = |path: &Path| {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o001 != 0
    };
    // The target folder may be closed to others.
    let new = match place().ancestors().all(is_open) {
        true => scratch(),
        false => tempfile::tempdir().expect("a directory for the test"),
    };
    fs::set_permissions(new.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    new
}

/// Where directories for tests are made. ext4 is asked to put them far from each other: where many
/// files were just removed it makes new ones slowly, and tests do nothing else.
fn place() -> &'static Path {
    static PLACE: OnceLock<&Path> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let spread = || -> std::io::Result<()> {
            let directory = fs::File::open(place)?;
            let flags = rustix::fs::ioctl_getflags(&directory)?;
            rustix::fs::ioctl_setflags(&directory, flags | rustix::fs::IFlags::TOPDIR)?;
            Ok(())
        };
        // Other file systems have no such wish.
        let _ = spread();
        place
    })
}

/// Who runs the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Whoever runs the test, inside `outwork up`.
    Tester,
    /// Somebody without rights, as `outwork worker`; in a run without root's rights, the tester.
    Ordinary,
}

/// Makes a module with the test for each who may run a worker.
macro_rules! by_both {
    ($($name:ident),+ $(,)?) => {
        mod by_tester {
            $(#[test] fn $name() { super::$name($crate::harness::By::Tester) })+
        }
        mod by_ordinary_user {
            $(#[test] fn $name() { super::$name($crate::harness::By::Ordinary) })+
        }
    };
}
pub(crate) use by_both;

/// The binary with nothing of this process' environment but what programs need.
pub fn outwork() -> Command {
    clean(OUTWORK)
}

/// A program, likewise.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "RUST_BACKTRACE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Where the real agents are installed: once, and kept between runs.
pub fn agents_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("the target folder")
            .join("agents");
        let done = Done::of(
            Command::new(OUTWORK)
                .args(["agent", "install", "codex", "--agents-dir"])
                .arg(&dir)
                .stdin(Stdio::null())
                .output(),
        );
        done.success();
        dir
    })
}

/// The same for everybody to use: the target folder may be closed to others.
pub fn open_agents_dir() -> (TempDir, String) {
    let open = open_scratch();
    let dir = open.path().join("agents");
    // Links cost nothing, where they can be made.
    let copied = ["-alT", "-aT"].iter().any(|how| {
        let mut copy = Command::new("cp");
        let copy = copy.arg(how).arg(agents_dir()).arg(&dir);
        copy.status().is_ok_and(|status| status.success())
    });
    assert!(copied, "the agents cannot be copied");
    let dir = dir.display().to_string();
    (open, dir)
}

/// Polls until there is a value; panics when patience ends.
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_or(what, probe).unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

fn until_or<T>(_what: &str, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(value) = probe() {
            return Some(value);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    None
}
