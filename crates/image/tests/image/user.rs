//! All of this as an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{example, is_root};

/// Not used by anything.
const ORDINARY: &str = "65533";

#[test]
fn an_ordinary_user_can_do_all_of_this() {
    if !is_root() {
        // This is the run that the line below started, or all of it is.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tests = dir.path().join("deps");
    let examples = dir.path().join("examples");
    let place = |path| {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    [dir.path(), &tests, &examples].into_iter().for_each(place);
    // The build directory may be closed to others. Copied by another process: what a test beside this one forks could
    // hold a file of ours open for writing, and then it cannot be executed.
    let program = tests.join("image");
    let copy = |from: PathBuf, to: &Path| {
        let copied = Command::new("cp").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    copy(std::env::current_exe().unwrap(), &program);
    copy(example("pull"), &examples.join("pull"));
    // The sources may be closed to others, too.
    let below = "crates/image/tests/image/snapshots";
    let snapshots = dir.path().join(below);
    fs::create_dir_all(&snapshots).unwrap();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    for found in fs::read_dir(format!("{sources}/{below}")).unwrap() {
        let found = found.unwrap();
        fs::copy(found.path(), snapshots.join(found.file_name())).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups"])
        .arg(&program)
        // Snapshots are compared, never written; and cargo, which knows where they are, may not be there for everybody.
        .env("INSTA_UPDATE", "no")
        .env("INSTA_WORKSPACE_ROOT", dir.path())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(" 0 failed; 0 ignored"), "{text}");
}
