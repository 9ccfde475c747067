//! Real repositories.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository below `directory` with the branches `main` and `other`.
pub fn make(directory: &Path) -> PathBuf {
    let path = directory.join("repository");
    std::fs::create_dir(&path).expect("a new directory");
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(path.join("file"), "one\n").expect("a file");
    commit(&path, "one");
    git(&path, &["branch", "other"]);
    std::fs::write(path.join("file"), "two\n").expect("a file");
    commit(&path, "two");
    path
}

pub fn commit(path: &Path, message: &str) {
    git(path, &["add", "."]);
    git(
        path,
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "commit",
            "--quiet",
            "-m",
            message,
        ],
    );
}

/// The commit of a branch.
pub fn tip(path: &Path, branch: &str) -> String {
    git(path, &["rev-parse", branch]).trim().to_owned()
}

pub fn git(path: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git starts");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}
