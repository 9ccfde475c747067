//! Fetching a version.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The program of that version, below `target`; fetched if it is not there.
pub fn program(target: &Path, version: &str) -> PathBuf {
    // One at a time: two tests must not fetch the same.
    static FETCHING: Mutex<()> = Mutex::new(());
    let _fetching = FETCHING.lock().unwrap_or_else(|broken| broken.into_inner());
    let place = target.join("codex-clients").join(version);
    let program = place.join("codex");
    if !program.is_file() {
        fetch(&place, version);
    }
    program
}

fn fetch(place: &Path, version: &str) {
    let clients = place.parent().expect("it is below another");
    std::fs::create_dir_all(clients).expect("a directory for the clients");
    let new = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(clients);
    let new = new.expect("a directory for the package");
    let package = format!("@openai/codex@{}", package_version(version));
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-save",
    ]);
    npm.args(["--no-package-lock", "--loglevel=error", "--prefix"]);
    let output = npm.arg(new.path()).arg(&package).output();
    let output = output.expect("npm starts");
    assert!(
        output.status.success(),
        "npm could not fetch {package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let vendor = new.path().join("node_modules/@openai/codex/vendor");
    let vendor = vendor.join(format!("{}-unknown-linux-musl", std::env::consts::ARCH));
    let found = ["bin/codex", "codex/codex"].map(|path| vendor.join(path));
    let found = found.iter().find(|path| path.is_file());
    let found = found.unwrap_or_else(|| panic!("{package} holds no program"));
    let whole = new.path().join("whole");
    std::fs::create_dir(&whole).expect("a directory");
    std::fs::rename(found, whole.join("codex")).expect("on one disk");
    // Another process may have been faster.
    if std::fs::rename(&whole, place).is_err() {
        assert!(
            place.join("codex").is_file(),
            "{} is in the way",
            place.display()
        );
    }
}

/// Since 0.100 there is a package for each platform; before that one held them all.
fn package_version(version: &str) -> String {
    let platform = match std::env::consts::ARCH {
        "aarch64" => "linux-arm64",
        _ => "linux-x64",
    };
    match version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse::<u32>().ok())
    {
        Some(minor) if minor < 100 => version.to_owned(),
        _ => format!("{version}-{platform}"),
    }
}
