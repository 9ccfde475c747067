//! HTTP.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::methods::{self, Refused};
use crate::socket;
use crate::state::{Fault, State};

pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) async fn serve(listener: TcpListener, state: Shared) {
    loop {
        let (connection, _) = listener.accept().await.expect("it listens");
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let to_each = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(answer(&state, request).await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), to_each)
                .with_upgrades()
                .await;
            // Clients close connections as they like.
            drop(served);
        });
    }
}

async fn answer(state: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() == "/link/" {
        return socket::upgrade(state, request);
    }
    let Some(method) = request
        .uri()
        .path()
        .strip_prefix("/api/")
        .map(str::to_owned)
    else {
        return status(404);
    };
    let token = request.headers().get(AUTHORIZATION);
    let token = token.and_then(|value| {
        value
            .to_str()
            .ok()?
            .strip_prefix("Bearer ")
            .map(str::to_owned)
    });
    let arguments = match arguments(&method, request).await {
        Ok(arguments) => arguments,
        Err(why) => {
            let mut state = state.lock().expect("no panic");
            return refuse(&mut state, &method, Refused("invalid_arguments", why));
        }
    };
    let fault = {
        let mut state = state.lock().expect("no panic");
        state.calls.push(method.clone());
        let due = state.faults.iter().position(|(of, _)| *of == method);
        due.and_then(|at| state.faults.remove(at))
            .map(|(_, fault)| fault)
    };
    match &fault {
        Some(Fault::Status(code, headers)) => {
            let mut response = status(*code);
            for (name, value) in headers {
                response
                    .headers_mut()
                    .insert(*name, value.parse().expect("a value"));
            }
            return response;
        }
        Some(Fault::Error(error)) => return said(&json!({"ok": false, "error": error})),
        Some(Fault::Silent) => return std::future::pending().await,
        Some(Fault::DoneBut(_) | Fault::DoneAndSilent) | None => {}
    }
    let done = {
        let mut state = state.lock().expect("no panic");
        match methods::call(&mut state, &method, token.as_deref(), &arguments) {
            Ok(body) => said(&body),
            Err(why) => refuse(&mut state, &method, why),
        }
    };
    match fault {
        Some(Fault::DoneBut(code)) => status(code),
        Some(Fault::DoneAndSilent) => std::future::pending().await,
        _ => done,
    }
}

/// What is not the fault of the world but of the app is complained about, too.
fn refuse(state: &mut State, method: &str, Refused(error, why): Refused) -> Response<Full<Bytes>> {
    if matches!(
        error,
        "invalid_arguments"
            | "invalid_blocks"
            | "unknown_method"
            | "no_text"
            | "msg_too_long"
            | "invalid_metadata_format"
            | "invalid_limit"
            | "invalid_cursor"
    ) {
        state.complaints.push(format!("{method}: {error}: {why}"));
    }
    said(
        &json!({"ok": false, "error": error, "response_metadata": {"messages": [format!("[ERROR] {why}")]}}),
    )
}

async fn arguments(method: &str, request: Request<Incoming>) -> Result<Map<String, Value>, String> {
    let (parts, body) = request.into_parts();
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if parts.method == Method::POST && kind.is_some_and(|kind| kind.starts_with("application/json"))
    {
        if methods::is_reading(method) {
            return Err("this method takes no JSON".to_owned());
        }
        if !kind.is_some_and(|kind| kind.contains("charset=utf-8")) {
            return Err("missing_charset".to_owned());
        }
        let bytes = body
            .collect()
            .await
            .map_err(|fault| fault.to_string())?
            .to_bytes();
        return match serde_json::from_slice(&bytes) {
            Ok(Value::Object(arguments)) => Ok(arguments),
            _ => Err("no JSON object".to_owned()),
        };
    }
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), Value::String(unescaped(value))))
        .collect())
}

pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || {
                    rest.next()
                        .and_then(|it| char::from(it).to_digit(16))
                        .unwrap_or(0)
                };
                let value = 16 * digit() + digit();
                bytes.push(u8::try_from(value).expect("two digits"));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn said(body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    let kind = "application/json; charset=utf-8".parse().expect("a value");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

pub(crate) fn status(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status");
    response
}
