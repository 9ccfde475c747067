//! Socket Mode: the server's side.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use outwork_slack::websocket::{Decoder, Heard, Kind, accept, frame};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::serve::{Shared, status};

/// What is to happen to the connections.
pub(crate) enum Order {
    Refresh,
    Drop,
}

/// How often the connection looks whether there is something to send.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) fn upgrade(state: &Shared, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let asks = header("upgrade").is_some_and(|it| it.eq_ignore_ascii_case("websocket"))
        && header("connection").is_some_and(|it| it.to_ascii_lowercase().contains("upgrade"))
        && header("sec-websocket-version") == Some("13");
    let Some(key) = header("sec-websocket-key")
        .map(str::to_owned)
        .filter(|_| asks)
    else {
        return status(400);
    };
    let query = request.uri().query().unwrap_or_default();
    let ticket = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ticket="))
        .map(str::to_owned);
    let number = {
        let mut state = state.lock().expect("no panic");
        let at = state
            .tickets
            .iter()
            .position(|one| Some(one) == ticket.as_ref());
        let Some(at) = at else {
            // A ticket is good for one connection.
            return status(403);
        };
        state.tickets.remove(at);
        state.connections += 1;
        state.connections
    };
    let state = std::sync::Arc::clone(state);
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            // A client may go at any time.
            _ = talk(&state, number, TokioIo::new(upgraded)).await;
        }
    });
    let mut response = status(101);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, "websocket".parse().expect("a value"));
    headers.insert(CONNECTION, "Upgrade".parse().expect("a value"));
    headers.insert(
        "sec-websocket-accept",
        accept(&key).parse().expect("a value"),
    );
    response
}

async fn talk(
    state: &Shared,
    number: usize,
    mut wire: TokioIo<hyper::upgrade::Upgraded>,
) -> std::io::Result<()> {
    let hello = json!({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0APP"},
        "debug_info": {"host": "applink-1", "started": "x", "build_number": 1, "approximate_connection_time": 18060}});
    if !state.lock().expect("no panic").is_socket_silent {
        wire.write_all(&frame(Kind::Text, hello.to_string().as_bytes(), None))
            .await?;
    }
    let mut decoder = Decoder::of_client();
    let mut buffer = [0; 4096];
    loop {
        let (silent, due, order) = {
            let mut state = state.lock().expect("no panic");
            let order = match state.socket_orders.is_empty() {
                true => None,
                false => Some(state.socket_orders.remove(0)),
            };
            let silent = state.is_socket_silent;
            let mut due = Vec::new();
            if !silent && order.is_none() {
                for (_, envelope, sent_on) in &mut state.envelopes {
                    if *sent_on != Some(number) {
                        *sent_on = Some(number);
                        due.push(envelope.to_string());
                    }
                }
            }
            (silent, due, order)
        };
        match order {
            Some(Order::Drop) => return Ok(()),
            Some(Order::Refresh) => {
                let goodbye = json!({"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "applink-1"}});
                wire.write_all(&frame(Kind::Text, goodbye.to_string().as_bytes(), None))
                    .await?;
            }
            None => {}
        }
        for envelope in due {
            wire.write_all(&frame(Kind::Text, envelope.as_bytes(), None))
                .await?;
        }
        let Ok(read) = tokio::time::timeout(LOOK_EVERY, wire.read(&mut buffer)).await else {
            continue;
        };
        let count = read?;
        if count == 0 {
            return Ok(());
        }
        decoder.feed(&buffer[..count]);
        while let Some(heard) = decoder.heard().map_err(std::io::Error::other)? {
            match heard {
                _ if silent => {}
                Heard::Ping(payload) => wire.write_all(&frame(Kind::Pong, &payload, None)).await?,
                Heard::Close(..) => {
                    wire.write_all(&frame(Kind::Close, &[], None)).await?;
                    return Ok(());
                }
                Heard::Text(text) => {
                    let said: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
                    let mut state = state.lock().expect("no panic");
                    match said["envelope_id"].as_str() {
                        Some(id) => state.envelopes.retain(|(one, _, _)| one != id),
                        None => state.complaints.push(format!("over the socket: {text}")),
                    }
                }
                Heard::Pong(_) | Heard::Binary(_) => {}
            }
        }
    }
}
