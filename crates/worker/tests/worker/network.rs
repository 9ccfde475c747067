//! What scripts reach, and agents do not.

use std::io::{Read, Write};
use std::net::TcpListener;

use outwork_api::event::EventBody;

use crate::fake_api::Record;
use crate::scene::{Scene, attempt};

/// Answers each request with the same text; ends with the test.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfine\n",
            );
        }
    });
    port
}

/// Host, port, path, verdict, code.
type Request = (String, u16, Option<String>, String, Option<String>);

fn requests(record: &Record) -> Vec<Request> {
    let request = |body: &EventBody| match body {
        EventBody::NetworkRequest {
            host,
            port,
            method: _,
            path,
            verdict,
            code,
            reason: _,
            rule: _,
            hint: _,
        } => Some((
            host.clone(),
            *port,
            path.clone(),
            verdict.clone(),
            code.clone(),
        )),
        _ => None,
    };
    let bodies = record.events.iter().map(|event| &event.body);
    bodies.filter_map(request).collect()
}

/// A client that every system with bash has.
const GET: &str = r#"get() { exec 3<>/dev/tcp/127.0.0.1/47101 && printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$2" >&3 && cat <&3; }"#;

#[tokio::test(flavor = "multi_thread")]
async fn scripts_reach_the_network_through_the_proxy_and_agents_nothing() {
    let scene = Scene::new();
    let port = server();
    let mut config = scene.config("worker");
    config.network.setup_ports.push(port);
    config.network.setup_addresses = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    let worker = scene.start_with(config).await;
    let setup = format!(
        "{GET}\n[ $HTTPS_PROXY = http://127.0.0.1:47101 ]\nget 'http://127.0.0.1:{port}/x?token=1' 127.0.0.1:{port} | tail -1\n\
         get http://169.254.169.254/latest 169.254.169.254 | head -1\n"
    );
    let agent =
        format!("{GET}; get http://127.0.0.1:{port}/ x 2>&1 | tail -1; env | grep -ci proxy");
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, &agent);
        assignment.setup_script = Some(setup.clone());
        assignment.maintenance_script = Some(setup.clone());
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        let output = record.output();
        assert!(
            output.starts_with("fine\r\nHTTP/1.1 403") || output.starts_with("fine\nHTTP/1.1 403"),
            "{record:#?}"
        );
        assert!(
            output.contains("Connection refused") && output.ends_with("\n0\n"),
            "{output}"
        );
        let told = requests(&record);
        assert_eq!(
            told[0],
            (
                "127.0.0.1".to_owned(),
                port,
                Some("/x".to_owned()),
                "allowed".to_owned(),
                None
            )
        );
        assert_eq!(told[1].3, "refused");
        assert_eq!(told.len(), 2, "{told:?}");
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environments_own_variables_win_over_the_proxys() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "echo $NO_PROXY");
    assignment.setup_script =
        Some("echo $NO_PROXY; echo $JAVA_TOOL_OPTIONS | tail -c 9".to_owned());
    for (name, value) in [("NO_PROXY", "mine"), ("JAVA_TOOL_OPTIONS", "-Dmine=1")] {
        assignment
            .variables
            .insert(name.to_owned(), value.to_owned());
    }
    let record = scene.run(assignment).await;
    assert_eq!(record.output(), "mine\n-Dmine=1\nmine\n", "{record:#?}");
}
