//! The suite itself: where there is no sandbox, its probes must say so.
//!
//! They run as somebody without rights, in namespaces that the test makes: root inside, with all rights over them, with
//! services that answer everybody and canaries lying about, and without a way out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use super::suite;
use super::verdict::{Said, Verdict};
use crate::harness::{ORDINARY, clean, open_scratch};

/// Probes that detect what such a place lets through, on every machine that can run this suite.
const DETECT: &[&str] = &[
    "capabilities",
    "clocks",
    "descriptors",
    "exec_forms",
    "file_handles",
    "filters",
    "ipc",
    "kernel_loading",
    "limit_cpu",
    "limit_disk_bytes",
    "limit_disk_files",
    "limit_disk_sparse",
    "limit_memory_anonymous",
    "limit_memory_files",
    "limit_memory_mapped",
    "limit_memory_memfd",
    "limit_memory_processes",
    "limit_memory_sysv",
    "limit_processes",
    "limit_resources",
    "machine",
    "metadata_direct",
    "metadata_proxy",
    "model_gateway",
    "mount_calls",
    "mount_points",
    "mount_symlinks",
    "namespaces_join",
    "namespaces_new",
    "neighbour",
    "netlink",
    "network_direct",
    "network_interfaces",
    "network_listeners",
    "proc_init",
    "process_tracing",
    "proxy_requests",
    "proxy_smuggling",
    "proxy_tunnels",
    "secrets_files",
    "secrets_processes",
    "set_uid_system",
    "sockets_families",
    "unix_abstract",
    "unix_paths",
];

const AT_ONCE: usize = 4;

#[test]
fn without_a_sandbox_probes_tell_of_escapes() {
    let known = suite::probes();
    let missing: Vec<_> = DETECT
        .iter()
        .filter(|name| !known.contains_key(**name))
        .collect();
    assert!(missing.is_empty(), "no such probes: {missing:?}");
    let scratch = open_scratch();
    for (name, text) in suite::files() {
        let path = scratch.path().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    give(scratch.path());
    // Each in namespaces of its own, because some change these; a few at once, because some wait.
    let silent = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for names in DETECT.chunks(DETECT.len().div_ceil(AT_ONCE)) {
            let (scratch, silent) = (scratch.path(), &silent);
            scope.spawn(move || {
                let seen = names.iter().filter_map(|name| sees_nothing(scratch, name));
                let seen: Vec<_> = seen.collect();
                silent.lock().expect("no test panics here").extend(seen);
            });
        }
    });
    let silent = silent.into_inner().expect("no test panics here");
    assert!(
        silent.is_empty(),
        "these see no escape:\n{}",
        silent.join("\n")
    );
}

#[test]
fn a_probe_runs_only_where_somebody_says_that_a_sandbox_is() {
    let done = clean("python3")
        .arg(suite::folder().join("run.py"))
        .arg("capabilities")
        .output();
    let done = done.expect("python3 starts");
    let said = Said::in_text(&String::from_utf8_lossy(&done.stdout));
    assert!(
        matches!(said.verdicts["capabilities"], Verdict::Untested(_)),
        "{said:?}"
    );
    assert_eq!(done.status.code(), Some(1));
}

/// What a probe said, if that is not an escape.
fn sees_nothing(scratch: &Path, name: &str) -> Option<String> {
    let said = run_naively(scratch, name);
    match Said::in_text(&said).verdicts.get(name) {
        Some(Verdict::Escaped(findings)) if !findings.is_empty() => None,
        other => Some(format!("{name}: {other:?}\n{said}")),
    }
}

/// To whom the probes run as.
fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(ORDINARY), Some(ORDINARY)).expect("root can");
    } else {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("ours");
    }
}

/// What a probe prints in fresh namespaces, where it is root and nothing confines it.
fn run_naively(scratch: &Path, name: &str) -> String {
    let place = scratch.join(name);
    fs::create_dir(&place).expect("a folder");
    give(&place);
    let mut command = if rustix::process::geteuid().is_root() {
        let id = ORDINARY.to_string();
        let mut command = clean("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "unshare"]);
        command
    } else {
        clean("unshare")
    };
    // Descriptors to files, so that a probe that looks for these has something to find.
    let output = place.join("output.log");
    run(command
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--ipc",
            "--uts",
            "--pid",
        ])
        .args(["--fork", "--mount-proc", "python3"])
        .arg(scratch.join("escape/naive.py"))
        .arg(name)
        // The tester's own programs may lie where others cannot go.
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(&place)
        .stdout(fs::File::create(&output).expect("a file")));
    fs::read_to_string(output).expect("what it said")
}

/// Its own end tells nothing: probes end their process 1, too.
fn run(command: &mut Command) {
    command.status().expect("unshare (util-linux) starts");
}
