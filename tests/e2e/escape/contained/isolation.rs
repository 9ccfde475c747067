//! A network namespace that leads nowhere, for the worker as well as for what it runs: a proxy that lets something through
//! must not reach a real address.

use std::fs;
use std::process::Command;

use super::attempts::{ALLOWED_ADDRESS, ALLOWED_NAME};
use crate::harness::{agents_dir, scratch};

/// Loopback is up, and one name leads to an address of it that the operator of the worker allows.
const PREPARE: &str = r#"ip link set lo up && mount --bind "$0" /etc/hosts && exec "$@""#;

/// Runs the body where no route leads out: here, or in the test of this name started again there.
pub fn without_a_network(test: &str, body: impl FnOnce()) {
    if no_way_out() {
        return body();
    }
    // What needs a network, before there is none.
    agents_dir();
    let dir = scratch();
    let hosts = dir.path().join("hosts");
    let text = format!("127.0.0.1 localhost\n{ALLOWED_ADDRESS} {ALLOWED_NAME}\n");
    fs::write(&hosts, text).expect("written");

    let mut command = Command::new("unshare");
    if rustix::process::geteuid().is_root() {
        command.args(["--net", "--mount"]);
    } else {
        // Who prepares has rights over the namespaces, the test itself has none.
        command.args([
            "--user",
            "--map-current-user",
            "--keep-caps",
            "--net",
            "--mount",
        ]);
    }
    command.args(["sh", "-c", PREPARE]).arg(hosts);
    command.args(["setpriv", "--ambient-caps=-all", "--inh-caps=-all"]);
    let program = std::env::current_exe().expect("this test");
    let done = command
        .arg(program)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .output()
        .expect("unshare (util-linux) starts");
    let said = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}\n{errors}");
    assert!(said.contains("1 passed"), "{said}\n{errors}");
}

/// Some kernels put unused tunnels into every namespace, so routes tell, not interfaces.
fn no_way_out() -> bool {
    let routes = fs::read_to_string("/proc/net/route").expect("readable");
    let wide = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let leaves = |line: &str| line.split_whitespace().next_back() != Some("lo");
    routes.lines().count() < 2 && !wide.lines().any(leaves)
}
