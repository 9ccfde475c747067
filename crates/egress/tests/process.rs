//! The proxy in a process of its own.
// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::print_stdout,
    reason = "a test speaks to the one that started it"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use outwork_egress::policy::{Injection, Methods, Policy, Secret, TlsMode};
use outwork_egress::process::{EgressProcess, ProcessError};
use outwork_egress::proxy::{ProxyConfig, RefusalCode, Roots, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_outwork-egress-proxy");
const CANARY: &str = "canary-4711";
const CHILD: &str = "OUTWORK_EGRESS_TEST_WORKER";

async fn within<T>(work: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, work)
        .await
        .expect("an end within 30 s")
}

fn config() -> ProxyConfig {
    let injection = Injection::new("api.example.com", "authorization", Secret::new(CANARY));
    // Somebody must be trusted, though nobody is spoken to here.
    let nobody = rcgen::generate_simple_self_signed(vec!["nobody.example".to_owned()]).unwrap();
    ProxyConfig {
        roots: Roots::Pem(nobody.cert.pem()),
        ..ProxyConfig::new(Policy {
            injections: vec![injection.unwrap()],
            ..Policy::closed()
        })
    }
}

async fn refused(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = b"CONNECT other.example:443 HTTP/1.1\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

fn is_running(id: u32) -> bool {
    // What has ended and nobody waited for is still listed, without a command line.
    std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn gone(id: u32) {
    within(async {
        while is_running(id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn it_listens_decides_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let (process, mut decisions) = EgressProcess::start(Path::new(PROGRAM), &config(), &socket)
        .await
        .unwrap();
    let ca = process.certificate_authority().unwrap();
    assert!(
        ca.starts_with("-----BEGIN CERTIFICATE-----") && !ca.contains("PRIVATE"),
        "{ca}"
    );
    let answer = refused(process.socket()).await;
    assert!(
        answer.contains("x-proxy-error: blocked-by-allowlist"),
        "{answer}"
    );
    let decision = within(decisions.recv()).await.unwrap();
    assert_eq!(
        (decision.host.as_str(), decision.port),
        ("other.example", 443)
    );
    let Verdict::Refused { code, .. } = decision.verdict else {
        panic!("{decision:?}");
    };
    assert_eq!(code, RefusalCode::BlockedByAllowlist);
    assert_eq!(decision.rule.as_deref(), Some("not listed (preset none)"));
    let id = process.id().unwrap();
    let totals = within(process.shutdown()).await.unwrap();
    assert_eq!(
        (totals.allowed, totals.refused, totals.decisions_dropped),
        (0, 1, 0)
    );
    assert!(within(decisions.recv()).await.is_none());
    assert!(!is_running(id) && !socket.exists());
}

#[tokio::test]
async fn nothing_is_told_by_arguments_or_variables() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let (process, _decisions) = EgressProcess::start(Path::new(PROGRAM), &config(), &socket)
        .await
        .unwrap();
    let id = process.id().unwrap();
    let read = |name: &str| std::fs::read(format!("/proc/{id}/{name}"));
    let line = String::from_utf8(read("cmdline").unwrap()).unwrap();
    assert!(line.ends_with("\0egress-proxy\0"), "{line:?}");
    let status = String::from_utf8(read("status").unwrap()).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    // Others of the same user cannot read it; root can, and sees nothing but what is for the C library.
    if let Ok(variables) = read("environ") {
        let variables = String::from_utf8(variables).unwrap();
        let names: Vec<_> = variables.split_terminator('\0').collect();
        let only_one = matches!(&names[..], [one] if one.starts_with("GLIBC_TUNABLES=glibc.cpu."));
        assert!(only_one, "{variables:?}");
    }
    if let Ok(cwd) = std::fs::read_link(format!("/proc/{id}/cwd")) {
        assert_eq!(cwd, Path::new("/"));
    }
    within(process.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_dead_proxy_is_no_network_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let (process, mut decisions) = EgressProcess::start(Path::new(PROGRAM), &config(), &socket)
        .await
        .unwrap();
    let id = process.id().unwrap();
    kill_process(
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    within(process.died()).await;
    assert!(within(decisions.recv()).await.is_none());
    assert!(UnixStream::connect(&socket).await.is_err());
    assert!(matches!(
        within(process.shutdown()).await,
        Err(ProcessError::Died)
    ));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_dropped_handle_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let (process, _decisions) = EgressProcess::start(Path::new(PROGRAM), &config(), &socket)
        .await
        .unwrap();
    let id = process.id().unwrap();
    drop(process);
    gone(id).await;
}

/// Whatever the worker dies of, the system closes its end of the pipe.
#[tokio::test]
async fn a_killed_worker_leaves_no_proxy() {
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["as_a_worker", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let id = lines.find_map(|line| line.unwrap().strip_prefix("proxy ")?.parse().ok());
    let id = id.expect("the worker says which process its proxy is");
    assert!(is_running(id));
    worker.kill().unwrap();
    worker.wait().unwrap();
    gone(id).await;
}

#[tokio::test]
#[ignore = "run by a_killed_worker_leaves_no_proxy"]
async fn as_a_worker() {
    assert!(
        std::env::var_os(CHILD).is_some(),
        "this is no test by itself"
    );
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let (process, _decisions) = EgressProcess::start(Path::new(PROGRAM), &config(), &socket)
        .await
        .unwrap();
    println!("\nproxy {}", process.id().unwrap());
    process.died().await;
}

#[tokio::test]
async fn why_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let reason = async |config: &ProxyConfig, socket: &Path| match EgressProcess::start(
        Path::new(PROGRAM),
        config,
        socket,
    )
    .await
    {
        Err(error @ ProcessError::Refused { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let mut contradiction = config();
    contradiction.policy.tls = TlsMode::Tunnel;
    contradiction.policy.methods = Methods::ReadOnly;
    let said = reason(&contradiction, &socket).await;
    assert!(
        said.contains("methods are limited, and TLS passes unread"),
        "{said}"
    );
    assert!(!said.contains(CANARY));
    let said = reason(&config(), &directory.path().join("missing/proxy.sock")).await;
    assert!(
        said.contains("socket cannot be made") && said.contains("missing"),
        "{said}"
    );
    let missing = EgressProcess::start(Path::new("/nonexistent"), &config(), &socket).await;
    assert!(matches!(missing, Err(ProcessError::Spawn { .. })));
    let other = EgressProcess::start(Path::new("/bin/true"), &config(), &socket).await;
    assert!(matches!(other, Err(ProcessError::Died)));
}

/// What is wrong may be a credential.
#[test]
fn a_malformed_configuration_is_not_repeated() {
    use std::io::Write;
    let mut child = Command::new(PROGRAM)
        .arg("egress-proxy")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let line = format!("{{\"socket\": {{\"{CANARY}\": \"{CANARY}\"}}}}\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        said.contains("\"event\":\"failed\"") && !said.contains(CANARY),
        "{said}"
    );
}
