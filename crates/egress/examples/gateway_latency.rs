//! What the gateway adds to a model request: the same request to the same
//! endpoint, directly and through the gateway, in turn, on kept-alive connections.
//!
//! `cargo run -p outwork-egress --example gateway_latency [REQUESTS]`
//! prints medians and 95th percentiles in microseconds as one JSON line.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use outwork_egress::gateway::{ApiKey, Gateway, GatewayConfig, Terms, Upstream};
use scripted_model::{DEFAULT_API_KEY, Scenario, Script, ScriptedModel, Step};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

type Client = SendRequest<Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let requests: usize = std::env::args().nth(1).map_or(Ok(500), |n| n.parse())?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let step = Step::new().say("hello").chunk_chars(1);
    let model = ScriptedModel::start(Scenario::new().script(Script::when("hi").step(step)))?;
    let key = ApiKey::new(DEFAULT_API_KEY)?;
    let base_url = format!("{}/v1", model.url());
    let upstream = Upstream::new(&base_url, Some(key), GatewayConfig::default())?;
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("model.sock");
    let (gateway, _events) = Gateway::start(&socket, upstream, Terms::default())?;

    let mut direct = client(TcpStream::connect(model.address()).await?).await?;
    let mut through = client(UnixStream::connect(&socket).await?).await?;
    let (mut direct_times, mut through_times) = (Vec::new(), Vec::new());
    for _ in 0..requests {
        direct_times.push(ask(&mut direct).await?);
        through_times.push(ask(&mut through).await?);
    }
    let (direct, through) = (Summary::of(direct_times), Summary::of(through_times));
    let report = json!({
        "requests": requests,
        "direct_us": { "median": direct.median, "p95": direct.p95 },
        "through_us": { "median": through.median, "p95": through.p95 },
        "added_us": { "median": through.median - direct.median },
    });
    writeln!(std::io::stdout(), "{report}")?;
    gateway.shutdown().await;
    Ok(())
}

async fn client<S>(stream: S) -> Result<Client, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn ask(client: &mut Client) -> Result<Duration, Box<dyn Error>> {
    // As much history as an agent sends after a few steps.
    let padding = "x".repeat(40_000);
    let body = json!({ "input": "hi", "stream": true, "padding": padding });
    let request = Request::post("/v1/responses")
        .header("host", "model")
        .header("authorization", format!("Bearer {DEFAULT_API_KEY}"))
        .body(Full::new(Bytes::from(body.to_string())))?;
    let started = Instant::now();
    client.ready().await?;
    let answer = client.send_request(request).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    let took = started.elapsed();
    assert!(body.ends_with(b"\n\n"), "a whole answer");
    Ok(took)
}

struct Summary {
    median: f64,
    p95: f64,
}

impl Summary {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: f64| {
            let index = (times.len() - 1) as f64 * share;
            times[index as usize].as_secs_f64() * 1e6
        };
        Self {
            median: at(0.5).round(),
            p95: at(0.95).round(),
        }
    }
}
