//! A throw-away PostgreSQL for tests, started from the installed programs.
//!
//! [`shared`] gives one cluster to all tests of a process; each makes databases of its own in it.
//! The cluster listens on a unix socket in a directory of its own and nowhere else. A shell that
//! holds the other end of a pipe stops it and removes its directory when this process ends, however
//! it ends. PostgreSQL refuses to run as root; then it runs as user 65534 (`nobody`).
//!
//! It panics with the name of the package when PostgreSQL is not installed: a test that needs it
//! must fail, not pass unseen.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// `nobody` on every Linux.
const NOBODY: u32 = 65534;
const PORT: u16 = 5432;
/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Serves until its input ends; each line it reads is a crash and a new start.
const KEEPER: &str = r#"
postgres=$1 dir=$2 port=$3
shift 3
start() {
    "$postgres" -D "$dir/data" -k "$dir" -p "$port" -c listen_addresses= -c max_connections=300 \
        "$@" >>"$dir/log" 2>&1 &
    pid=$!
}
start "$@"
while read -r crash; do kill -QUIT "$pid"; wait "$pid"; start "$@"; done
kill -QUIT "$pid"
wait "$pid"
rm -rf "$dir"
"#;

/// Nothing is flushed: the data of a test need not outlive the machine.
const FOR_TESTS: [&str; 6] = [
    "-c",
    "fsync=off",
    "-c",
    "full_page_writes=off",
    "-c",
    "shared_buffers=32MB",
];

/// A running PostgreSQL. Dropping it stops it.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    psql: PathBuf,
    keeper: Mutex<Child>,
    databases: AtomicU32,
}

/// The cluster of this process; started by the first call.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    /// Starts a cluster of its own: for tests that crash it.
    pub fn start() -> Self {
        Self::start_with(&FOR_TESTS)
    }

    /// Starts a cluster with PostgreSQL's own settings, which flush what is committed: for benchmarks.
    pub fn start_durable() -> Self {
        Self::start_with(&[])
    }

    fn start_with(settings: &[&str]) -> Self {
        let [initdb, postgres, psql] = ["initdb", "postgres", "psql"].map(program);
        // Below /tmp, because the path of a socket has at most 107 bytes.
        let temporary = tempfile::Builder::new()
            .prefix("outwork-pg-")
            .tempdir_in("/tmp")
            .expect("a directory below /tmp can be made");
        let dir = temporary.path().to_path_buf();
        let root = fs::metadata(&dir).expect("it was just made").uid() == 0;
        if root {
            chown(&dir, Some(NOBODY), Some(NOBODY)).expect("root may give its directory away");
        }
        let unprivileged = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(&dir).stdin(Stdio::null());
            if root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let made = unprivileged(&initdb)
            .args(["--auth=trust", "--username=outwork", "--no-sync"])
            .args(["--locale=C", "--encoding=UTF8", "--no-instructions"])
            .arg("--pgdata")
            .arg(dir.join("data"))
            .output()
            .expect("initdb starts");
        assert!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // From here on the keeper removes it.
        let _kept = temporary.keep();
        let keeper = unprivileged(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .arg(postgres)
            .arg(&dir)
            .arg(PORT.to_string())
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let cluster = Self {
            dir,
            psql,
            keeper: Mutex::new(keeper),
            databases: AtomicU32::new(0),
        };
        cluster.wait_until_ready(None);
        cluster
    }

    /// Makes an empty place for tables and answers its address, for any PostgreSQL client. It is a
    /// schema of its own, found by the address's search path: a real database takes half a second
    /// to make.
    pub fn new_database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.run(&format!("CREATE SCHEMA {name}"));
        format!(
            "postgres://outwork@localhost:{PORT}/postgres?host={}&options=-csearch_path%3D{name}",
            self.dir.display()
        )
    }

    /// Where its files are; `data/postmaster.pid` names its process.
    pub fn place(&self) -> &Path {
        &self.dir
    }

    /// Kills the server in the middle of what it does, and starts it again.
    pub fn crash(&self) {
        let before = self.ready_pid();
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let input = keeper.stdin.as_mut().expect("it was given a pipe");
        writeln!(input, "crash").expect("the keeper reads");
        drop(keeper);
        self.wait_until_ready(before);
    }

    fn run(&self, sql: &str) {
        let ran = Command::new(&self.psql)
            .args(["--no-psqlrc", "--quiet", "--username=outwork"])
            .args([
                "--set=ON_ERROR_STOP=1",
                "--dbname=postgres",
                "--command",
                sql,
            ])
            .arg("--host")
            .arg(&self.dir)
            .args(["--port", &PORT.to_string()])
            .stdin(Stdio::null())
            .output()
            .expect("psql starts");
        assert!(
            ran.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    /// The process id, once connections are accepted: the first and the eighth line of the file
    /// that the server keeps.
    fn ready_pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.dir.join("data/postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let ready = lines.get(7)?.trim() == "ready";
        ready.then(|| lines[0].to_owned())
    }

    fn wait_until_ready(&self, other_than: Option<String>) {
        let begin = Instant::now();
        loop {
            match self.ready_pid() {
                Some(pid) if Some(&pid) != other_than.as_ref() => return,
                Some(_) | None => {}
            }
            assert!(
                begin.elapsed() < START,
                "PostgreSQL did not start; its log: {}",
                fs::read_to_string(self.dir.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let keeper = self
            .keeper
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        drop(keeper.stdin.take());
        if let Err(error) = keeper.wait() {
            eprintln!("the keeper of {} is lost: {error}", self.dir.display());
        }
    }
}

/// Where a program of PostgreSQL is: on the path, or where Debian puts it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join(name));
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin").join(name));
    on_path
        .chain(debian)
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!(
                "`{name}` is not installed, and these tests need PostgreSQL: install the package \
             `postgresql` (Debian, Ubuntu: apt-get install postgresql)"
            )
        })
}
