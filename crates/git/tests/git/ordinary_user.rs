//! The tests of layers once more, as an ordinary user who mounts overlays in a user namespace, as that user's sandboxes do.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const MARK: &str = "OUTWORK_TEST_IN_USER_NAMESPACE";
const NOBODY_ELSE: u32 = 65_533;
/// What does not need other ids than one's own.
const TESTS: [&str; 6] = [
    "attacks::",
    "layered::touched::",
    "random::",
    "restore::",
    "seal::",
    "diff::",
];

fn namespace(program: &Path, home: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount"])
        .arg(program);
    command
        .env("TMPDIR", home)
        .env("HOME", home)
        .env(MARK, "1")
        .current_dir(home);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY_ELSE).gid(NOBODY_ELSE);
    }
    command
}

/// A folder of that user, with this program in it: the build's may be closed to others.
fn home_with_program() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().expect("a folder");
    if rustix::process::getuid().is_root() {
        chown(home.path(), Some(NOBODY_ELSE), Some(NOBODY_ELSE)).expect("given");
    }
    let program = home.path().join("tests");
    // By another process: what a test beside this one forks could hold a file of ours open for writing, and then it
    // cannot be executed.
    let mut copy = Command::new("cp");
    copy.arg(std::env::current_exe().expect("known"))
        .arg(&program);
    assert!(copy.status().expect("runs").success());
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("set");
    (home, program)
}

fn passes(mut tests: Command, one_of_them: &str) {
    let output = tests.output().expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{one_of_them} ... ok")), "{said}");
}

/// What is closed to its owner is open to a user that is root in a namespace of its own: here is one that is not.
#[test]
fn attacks_on_an_ordinary_user_without_powers() {
    if std::env::var_os(MARK).is_some() {
        return;
    }
    let (home, program) = home_with_program();
    let mut tests = Command::new(program);
    tests
        .arg("attacks::")
        .env("TMPDIR", home.path())
        .env("HOME", home.path())
        .env(MARK, "1")
        .current_dir(home.path());
    if rustix::process::getuid().is_root() {
        tests.uid(NOBODY_ELSE).gid(NOBODY_ELSE);
    }
    passes(tests, "attacks::special_files");
}

#[test]
fn layers_of_an_ordinary_user() {
    if std::env::var_os(MARK).is_some() {
        return;
    }
    let (home, program) = home_with_program();
    let probe = namespace(Path::new("true"), home.path()).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("no user namespaces here: not tested");
        return;
    }
    let mut tests = namespace(&program, home.path());
    tests.args(TESTS);
    passes(tests, "random::random_work_comes_back_exactly");
}
