//! Package managers in setup scripts, through the proxy; and agents that use what they installed, without a network.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Engine, Outwork, Repository};

/// With what this machine needs to reach the registries, besides PATH.
pub fn start(more: &[(&str, &str)]) -> Outwork {
    let names = [
        "SSL_CERT_FILE",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ];
    let variables: Vec<(&str, String)> = names
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?.into_string().ok()?)))
        .collect();
    let variables = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<_> = variables.chain(more.iter().copied()).collect();
    Outwork::start("up", Engine::Sqlite, &variables)
}

/// What an agent does to see that there is no way out. The addresses are for documentation and lead nowhere.
pub const OFFLINE: &str = "
env | grep -i -e proxy -e 47101 && echo 'a proxy is named'
reach() { curl --silent --output /dev/null --max-time 20 \"$@\"; echo \"curl: $?\"; }
reach http://192.0.2.1/
reach https://192.0.2.1/
reach http://[2001:db8::1]/
reach http://name.example/
reach --proxy http://127.0.0.1:47101 http://name.example/
getent hosts name.example || echo 'no such name'
";
/// 7: no connection, 6: no such name. It would be 28 after a time.
pub const IS_OFFLINE: &str = "curl: 7\ncurl: 7\ncurl: 7\ncurl: 6\ncurl: 7\nno such name\n";

/// Installs in a first task, and uses it there and, from the snapshot, in a second.
fn install_and_use(
    outwork: &Outwork,
    repository: &Repository,
    setup: &str,
    more: &[&str],
    agent: &str,
    expected: &str,
) {
    let (setup, agent) = (
        outwork.file(setup),
        format!("set -e\n{agent}\nset +e\n{OFFLINE}"),
    );
    let flags = [&["--setup", &setup, "--agent-command", &agent], more].concat();
    outwork.environment("packages", repository, &flags);
    for (snapshots, requests) in [(vec!["building", "built"], true), (vec!["cached"], false)] {
        let task = outwork.exec("packages", "use it", &[]);
        let log = outwork.log(task["id"].as_str().expect("an id"));
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        assert_eq!(log.snapshots(), snapshots, "{log:#?}");
        assert_eq!(log.warnings(), Vec::<String>::new());
        let said = log.output();
        let end = format!("{expected}\n{IS_OFFLINE}");
        assert!(said.ends_with(&end), "{said}");
        let asked: Vec<&Value> = log.network_requests().collect();
        assert_eq!(!asked.is_empty(), requests, "{log:#?}");
        for request in asked {
            assert_eq!(request["verdict"], "allowed", "{request}");
            assert_eq!(request["port"], 443, "{request}");
        }
        // What was installed is not a change.
        let summary = &task["summary"];
        assert_eq!(summary["files_changed"], 0, "{task:#}");
    }
}

/// A small project with a lock file, which names no registry.
pub fn node_project() -> Repository {
    let lock = json!({
        "name": "demo",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": true,
        "packages": {
            "": { "name": "demo", "version": "1.0.0", "dependencies": { "is-odd": "3.0.1", "ms": "2.1.3" } },
            "node_modules/is-number": {
                "version": "6.0.0",
                "integrity": "sha512-Wu1VHeILBK8KAWJUAiSZQX94GmOE45Rg6/538fKwiloUu21KncEkYGPqob2oSZ5mUT73vLGrHQjKw3KMPwfDzg==",
            },
            "node_modules/is-odd": {
                "version": "3.0.1",
                "integrity": "sha512-CQpnWPrDwmP1+SMHXZhtLtJv90yiyVfluGsX5iNCVkrhQtU3TQHsUWPG9wkdk9Lgd5yNpAg9jQEo90CBaXgWMA==",
                "dependencies": { "is-number": "^6.0.0" },
            },
            "node_modules/ms": {
                "version": "2.1.3",
                "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==",
            },
        },
    });
    let package = json!({
        "name": "demo",
        "version": "1.0.0",
        "dependencies": { "is-odd": "3.0.1", "ms": "2.1.3" },
        "scripts": { "postinstall": "touch node_modules/.after", "test": "node -e 'require(\"is-odd\")'" },
    });
    Repository::with(&[
        (".gitignore", "node_modules\n"),
        ("package.json", &package.to_string()),
        ("package-lock.json", &lock.to_string()),
    ])
}

#[test]
fn npm_ci() {
    let (repository, node) = (node_project(), Offer::node());
    install_and_use(
        &node.start(),
        &repository,
        "npm ci --no-audit --no-fund\ntest -e node_modules/.after",
        &["--runtime", &node.pin],
        "touch node_modules/mine\nnode -p 'require(\"is-odd\")(3) + \" \" + require(\"ms\")(\"2 days\")'",
        "true 172800000",
    );
}

#[test]
fn pip_install_into_a_virtual_environment() {
    let repository = Repository::with(&[("requirements.txt", "six==1.17.0\n")]);
    install_and_use(
        &start(&[]),
        &repository,
        "/usr/bin/python3 -m venv ~/.venv\n~/.venv/bin/pip install --quiet -r requirements.txt",
        &[],
        "~/.venv/bin/python -c 'import six; print(six.__version__)'",
        "1.17.0",
    );
}

#[test]
fn cargo_build_with_a_toolchain_of_the_operator() {
    let rust = Offer::rust();
    let manifest = "[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n";
    let program = "fn main() { println!(\"{}\", itoa::Buffer::new().format(7 * 6)); }\n";
    let repository = Repository::with(&[
        (".gitignore", "target\nCargo.lock\n"),
        ("Cargo.toml", manifest),
        ("src/main.rs", program),
    ]);
    install_and_use(
        &rust.start(),
        &repository,
        "cargo build --quiet",
        &["--runtime", &rust.pin],
        "touch src/main.rs\ncargo build --quiet --offline\ntarget/debug/demo",
        "42",
    );
}

/// A runtime of this machine, as an operator offers it: it need not be where sandboxes see it.
pub struct Offer {
    dir: tempfile::TempDir,
    /// For `--runtime`.
    pub pin: String,
}

impl Offer {
    fn new(name: &str, version: &str, root: &Path) -> Self {
        let dir = crate::harness::scratch();
        let versions = dir.path().join(name);
        std::fs::create_dir(&versions).expect("a folder");
        std::os::unix::fs::symlink(root, versions.join(version)).expect("a link");
        let pin = format!("{name}={version}");
        Self { dir, pin }
    }

    /// The one that the tests are built with.
    pub fn rust() -> Self {
        let version = ask("rustc", &["--version"]);
        let version = version.split(' ').nth(1).expect("rustc VERSION");
        Self::new(
            "rust",
            version,
            Path::new(&ask("rustc", &["--print", "sysroot"])),
        )
    }

    /// The one that `make` needs.
    pub fn node() -> Self {
        let version = ask("node", &["-p", "process.versions.node"]);
        let program = ask("node", &["-p", "process.execPath"]);
        let root = Path::new(&program).ancestors().nth(2);
        Self::new("node", &version, root.expect("ROOT/bin/node"))
    }

    /// `outwork up` whose worker offers it.
    pub fn start(&self) -> Outwork {
        let dir = self.dir.path().display().to_string();
        start(&[("OUTWORK_RUNTIMES_DIR", &dir)])
    }
}

/// What a program of this machine prints.
fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.expect(program).stdout;
    String::from_utf8(output).expect("text").trim().to_owned()
}

/// Asks the proxy for something that it refuses, and prints the answers' codes.
const REFUSED: &str = "
ask() {
  curl --silent --noproxy '' --output /dev/null --dump-header - --max-time 20 \"$1\" |
    tr -d '\\r' | awk -v of=\"$1\" '/^HTTP/ { status = $2 } /^x-proxy-error:/ { print of, status, $2 }' || true
}
";

#[test]
fn what_leads_back_to_the_machine_or_its_network_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it can");
    let port = listener.local_addr().expect("bound").port();
    let outwork = Outwork::up_with(Engine::Sqlite, &["--setup-allow-port", &port.to_string()]);
    let repository = Repository::with(&[("a", "1\n")]);
    let refused = [
        (format!("http://127.0.0.1:{port}/x"), "address-not-listed"),
        (format!("https://127.0.0.1:{port}/x"), "address-not-listed"),
        (format!("http://[::1]:{port}/"), "address-not-listed"),
        (
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            "address-not-listed",
        ),
        (format!("http://localhost:{port}/"), "name-not-allowed"),
        ("http://10.0.0.1/".to_owned(), "address-not-listed"),
        ("https://192.168.1.1/".to_owned(), "address-not-listed"),
        (
            "http://169.254.169.254/latest".to_owned(),
            "address-not-listed",
        ),
        ("http://name.example:22/".to_owned(), "port-not-allowed"),
    ];
    let asked: Vec<String> = refused
        .iter()
        .map(|(url, _)| format!("ask '{url}'\n"))
        .collect();
    let setup = outwork.file(&format!("{REFUSED}{}", asked.concat()));
    outwork.environment(
        "closed",
        &repository,
        &["--setup", &setup, "--agent-command", "true"],
    );
    let task = outwork.exec("closed", "go", &[]);
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    let expected: Vec<String> = refused
        .iter()
        .map(|(url, code)| format!("{url} 403 {code}\n"))
        .collect();
    assert_eq!(log.output(), expected.concat());
    let codes: Vec<(&str, &str)> = log
        .network_requests()
        .map(|request| {
            let text = |field: &str| request[field].as_str().unwrap_or_default();
            (text("verdict"), text("code"))
        })
        .collect();
    let expected: Vec<_> = refused.iter().map(|(_, code)| ("refused", *code)).collect();
    assert_eq!(codes, expected);
    let knocked = listener.accept().map_err(|error| error.kind());
    assert!(
        matches!(knocked, Err(std::io::ErrorKind::WouldBlock)),
        "{knocked:?}"
    );
    outwork.end();
}

/// The same listener, once the operator allows it.
#[test]
fn what_the_operator_lists_is_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let server = std::thread::spawn(move || {
        use std::io::{BufRead, Write};
        let (stream, _) = listener.accept().expect("a request");
        let mut lines = std::io::BufReader::new(&stream).lines();
        let first = lines.next().expect("a line").expect("text");
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        (&stream)
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n")
            .expect("written");
        first
    });
    let flags = [
        "--setup-allow-port",
        &port,
        "--setup-allow-address",
        "127.0.0.1",
    ];
    let outwork = Outwork::up_with(Engine::Sqlite, &flags);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file(&format!(
        "curl --silent --fail --noproxy '' --max-time 20 'http://127.0.0.1:{port}/way?token=x'"
    ));
    outwork.environment(
        "open",
        &repository,
        &["--setup", &setup, "--agent-command", "true"],
    );
    let task = outwork.exec("open", "go", &[]);
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    assert_eq!(log.output(), "hello\n");
    assert_eq!(server.join().expect("asked"), "GET /way?token=x HTTP/1.1");
    let asked: Vec<_> = log.network_requests().collect();
    let [request] = asked.as_slice() else {
        panic!("{asked:#?}");
    };
    for (field, value) in [
        ("host", json!("127.0.0.1")),
        ("port", json!(port.parse::<u16>().expect("a port"))),
        ("method", json!("GET")),
        ("path", json!("/way")),
        ("verdict", json!("allowed")),
    ] {
        assert_eq!(request[field], value, "{request}");
    }
}
