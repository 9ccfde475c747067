//! Hosts, methods, pushes and WebSockets.

use serde_json::{Value, json};

use super::{World, assert_allowed, assert_refused, told};
use crate::harness::{By, Log, by_both};
use crate::packages::{IS_OFFLINE, OFFLINE};

by_both!(
    only_listed_hosts_are_reached,
    a_push_is_refused_until_it_is_allowed,
);

/// Asks, and says what came back: the code of a refusal by the proxy, else the answer.
const ASK: &str = r#"
ask() { curl --silent --show-error --max-time 20 "$@" 2>&1 || true; }
"#;

fn requests(log: &Log) -> Vec<&Value> {
    log.network_requests().collect()
}

fn only_listed_hosts_are_reached(who: By) {
    let world = World::new(who);
    let port = world.origin.port;
    // A setup script reaches what an agent does not.
    let setup = format!("curl --silent --show-error https://other.example:{port}/setup");
    let setup = world.outwork.file(&setup);
    let agent = format!(
        "{ASK}ask https://api.example:PORT/way?token=x
        ask --include https://other.example:PORT/ | tr -d '\\r' | grep -e HTTP -e x-proxy-error
        ask --include https://api.example:444/ | tr -d '\\r' | grep x-proxy-error"
    );
    world.environment("demo", &["api.example"], &agent, &["--setup", &setup]);
    let log = world.run("demo");
    assert_eq!(
        log.output(),
        "GET /setup\nGET /way\nHTTP/1.1 403 Forbidden\nx-proxy-error: blocked-by-allowlist\nx-proxy-error: port-not-allowed\n"
    );
    let [setup, way, other, port] = requests(&log)[..] else {
        panic!("{log:#?}");
    };
    assert_eq!(setup["verdict"], "allowed");
    assert_allowed(way, "allow: api.example");
    assert_eq!(
        told(way)[2],
        "/way",
        "the query is nobody's business: {way}"
    );
    assert_refused(
        other,
        "blocked-by-allowlist",
        "not listed (preset none)",
        "outwork env edit demo --allow other.example",
    );
    assert_eq!(port["code"], "port-not-allowed", "{port}");
    // Off again: the same questions, and no way out.
    let command = format!("set +e\n{OFFLINE}");
    let edit = [
        "env",
        "edit",
        "demo",
        "--network",
        "off",
        "--agent-command",
        &command,
    ];
    world.outwork.run(&edit).success();
    let log = world.run("demo");
    assert!(log.output().ends_with(IS_OFFLINE), "{}", log.output());
    assert_eq!(requests(&log), Vec::<&Value>::new());
    world.outwork.end();
}

#[test]
fn read_only_methods_refuse_a_post_and_say_how_to_allow_it() {
    let world = World::new(By::Tester);
    let agent = format!(
        "{ASK}ask https://api.example:PORT/get
        ask --data a=b --write-out '%{{http_code}}\\n' https://api.example:PORT/post"
    );
    let read_only = ["--read-only-methods"];
    world.environment("demo", &["api.example"], &agent, &read_only);
    let log = world.run("demo");
    let said = log.output();
    for part in [
        "GET /get\n",
        "lets sandboxes read only",
        "outwork env edit demo --all-methods",
        "403\n",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let [get, post] = requests(&log)[..] else {
        panic!("{log:#?}");
    };
    assert_allowed(get, "allow: api.example");
    assert_refused(
        post,
        "blocked-by-method-policy",
        "methods: read_only",
        "--all-methods",
    );
    assert_eq!(told(post)[1], json!("POST"));
    assert!(
        world
            .origin
            .heads()
            .iter()
            .all(|head| !head.contains("/post"))
    );
    world
        .outwork
        .run(&["env", "edit", "demo", "--all-methods"])
        .success();
    assert_eq!(world.run("demo").output(), "GET /get\nPOST /post\n200\n");
    world.outwork.end();
}

/// Clones, commits and tries to push.
const PUSH: &str = r#"
set -e
git clone --quiet https://git.example:PORT/git/demo.git ~/clone
cat ~/clone/readme
cd ~/clone
git -c user.name=x -c user.email=x@example.invalid commit --quiet --allow-empty --message pushed
git push --quiet 2> ~/said && echo pushed || { echo refused; cat ~/said; }
"#;

fn a_push_is_refused_until_it_is_allowed(who: By) {
    let world = World::new(who);
    world.environment("demo", &["git.example"], PUSH, &["--read-only-methods"]);
    let log = world.run("demo");
    let said = log.output();
    assert!(said.starts_with("cloned\nrefused\n"), "{said}");
    assert!(
        said.contains("outwork env edit demo --allow-git-push"),
        "{said}"
    );
    let asked = requests(&log);
    let (push, fetch) = asked.split_last().expect("requests");
    assert_refused(
        push,
        "blocked-by-git-push-policy",
        "git_push: false",
        "--allow-git-push",
    );
    assert!(
        fetch.iter().any(|request| request["method"] == "POST"),
        "{fetch:#?}"
    );
    for request in fetch {
        assert_allowed(request, "allow: git.example");
    }
    assert!(world.pushed().is_empty(), "{}", world.pushed());
    world
        .outwork
        .run(&["env", "edit", "demo", "--allow-git-push"])
        .success();
    assert_eq!(world.run("demo").output(), "cloned\npushed\n");
    assert!(world.pushed().contains("pushed"));
    world.outwork.end();
}

impl World {
    /// The newest commit there, if it was pushed.
    fn pushed(&self) -> String {
        let mut git = crate::harness::git(&self.directory.path().join("demo.git"));
        git.args(["log", "--grep", "^pushed$", "--format=%s"]);
        String::from_utf8(git.output().expect("git runs").stdout).expect("text")
    }
}

/// A handshake with the key of RFC 6455's example, and a line over what comes of it.
const SOCKET: &str = r#"
import http.client, os, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
connection = http.client.HTTPSConnection(proxy.hostname, proxy.port)
connection.set_tunnel("api.example", PORT)
connection.request("GET", "/socket", headers={
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
socket = connection.sock
answer = connection.getresponse()
print(answer.status, answer.getheader("x-proxy-error"))
if answer.status == 101:
    socket.sendall(b"hello\n")
    print(socket.recv(100).decode(), end="")
else:
    print(answer.read().decode())
"#;

#[test]
fn a_websocket_is_refused_until_it_is_allowed() {
    let world = World::new(By::Tester);
    let agent = format!("python3 -c '{SOCKET}'");
    world.environment("demo", &["api.example"], &agent, &[]);
    let log = world.run("demo");
    let said = log.output();
    assert!(
        said.starts_with("403 blocked-by-websocket-policy\n"),
        "{said}"
    );
    assert!(
        said.contains("outwork env edit demo --allow-websocket"),
        "{said}"
    );
    let [refused] = requests(&log)[..] else {
        panic!("{log:#?}");
    };
    assert_refused(
        refused,
        "blocked-by-websocket-policy",
        "websocket: false",
        "--allow-websocket",
    );
    world
        .outwork
        .run(&["env", "edit", "demo", "--allow-websocket"])
        .success();
    let log = world.run("demo");
    assert_eq!(log.output(), "101 None\nhello\n");
    assert_allowed(requests(&log)[0], "allow: api.example");
    world.outwork.end();
}

#[test]
fn a_tunnel_passes_unread_and_takes_no_rules_that_need_reading() {
    let world = World::new(By::Tester);
    let agent = format!("{ASK}ask --data a=b https://api.example:PORT/way");
    let tunnel = ["--tls", "tunnel"];
    world.environment("demo", &["api.example"], &agent, &tunnel);
    let log = world.run("demo");
    assert_eq!(log.output(), "POST /way\n");
    let [request] = requests(&log)[..] else {
        panic!("{log:#?}");
    };
    assert_eq!(told(request)[2], Value::Null, "{request}");
    assert_eq!(request["rule"], "allow: api.example", "{request}");
    let edit = ["env", "edit", "demo", "--read-only-methods"];
    let refused = world.outwork.run(&edit);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("tunnel"), "{}", refused.stderr);
    world.outwork.end();
}
