//! Heartbeats come from a thread and runtime of their own: they must not wait for anything that another runtime drives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use outwork_api::client::HttpWorkerApi;
use outwork_api::worker::{Acquire, Heartbeat, WorkerApi};

use crate::client;

#[test]
fn a_heartbeat_does_not_wait_for_the_runtime_that_works() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api = HttpWorkerApi::new(client(&keep_alive_server()));
    let working = runtime();
    let acquire = Acquire {
        worker: "wkr_1".to_owned(),
        max: 1,
        wait_ms: 0,
        git_gateway: false,
    };
    working
        .block_on(api.acquire(acquire))
        .expect("an answer, on a connection that is kept");

    // From here on `working` is busy: nothing drives its connections.
    let heartbeat = Heartbeat {
        worker: "wkr_1".to_owned(),
        ..Heartbeat::default()
    };
    let answer = runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(5), api.heartbeat(heartbeat)).await
    });
    answer
        .expect("the heartbeat waited for the busy runtime")
        .expect("an answer");
    drop(working);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Answers everything, with as many requests on a connection as come.
fn keep_alive_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.expect("a connection")));
        }
    });
    url
}

fn serve(mut stream: TcpStream) {
    const BODY: &str = r#"{"assignments":[],"leases":[]}"#;
    let mut requests = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line).expect("a line") == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body).expect("a body");
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
            BODY.len()
        )
        .expect("the client reads");
    }
}
