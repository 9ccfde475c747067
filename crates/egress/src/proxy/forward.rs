//! Requests in plain HTTP: read once, written anew.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::journal::Entry;
use super::refusal::{Refusal, RefusalCode};
use super::target::Target;
use super::upstream::UpstreamProxy;

pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

const HTTP_PORT: u16 = 80;

/// About one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn whole(bytes: Bytes) -> Body {
    let infallible = |never: Infallible| match never {};
    Full::new(bytes).map_err(infallible).boxed_unsync()
}

pub(super) async fn forward(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let mut entry = shared.journal.open();
    entry.asked(request.method().as_str(), Some(request.uri().path()));
    match exchange(shared, &mut entry, request).await {
        Ok((response, connection)) => respond(response, entry, connection),
        Err(refusal) => {
            let response = refusal.response();
            entry.refused(refusal);
            response
        }
    }
}

async fn exchange(
    shared: &Shared,
    entry: &mut Entry,
    request: Request<Incoming>,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), Refusal> {
    let target = target(entry, &request)?;
    let permit = shared.permit(target.clone())?;
    let (connected, proxy) = shared.connect_http(&permit, entry).await?;
    let bad_answer = |error: hyper::Error| {
        let reason = format!("{target} did not answer as a server of HTTP does: {error}.");
        Refusal::new(RefusalCode::BadAnswer, reason)
    };
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(shared.config.max_header_bytes)
        .handshake(TokioIo::new(connected.stream))
        .await
        .map_err(bad_answer)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The client sees it, too: its answer breaks off.
            tracing::debug!(%error, "a server's connection ended");
        }
    }));
    let request = rewritten(request, &target, proxy)?;
    let response = sender.send_request(request).await.map_err(bad_answer)?;
    if response.status().is_informational() {
        return Err(Refusal::new(
            RefusalCode::BadAnswer,
            format!("{target} changed the protocol, and nobody asked it to."),
        ));
    }
    entry.allowed(connected.address);
    Ok((response, connection))
}

fn target(entry: &mut Entry, request: &Request<Incoming>) -> Result<Target, Refusal> {
    let bad = |reason: &str| Refusal::new(RefusalCode::BadRequest, reason);
    let uri = request.uri();
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(bad(
            "This is a proxy: the request must name the whole address.",
        ));
    };
    entry.towards(authority.as_str());
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(Refusal::new(
            RefusalCode::SchemeNotAllowed,
            format!(
                "{}:// addresses are not forwarded.",
                super::journal::printable(scheme, 32)
            ),
        ));
    }
    let target = Target::parse(authority.as_str(), Some(HTTP_PORT))
        .map_err(|error| bad(&format!("This is no address of a server: {error}.")))?;
    entry.to(&target);
    let host = host_header(request.headers(), Some(HTTP_PORT))?;
    if host != target {
        return Err(Refusal::new(
            RefusalCode::HostMismatch,
            format!("The Host header says {host}, and the address {target}."),
        ));
    }
    Ok(target)
}

/// The one Host header.
pub(super) fn host_header(
    headers: &HeaderMap,
    default_port: Option<u16>,
) -> Result<Target, Refusal> {
    let bad = |reason: &str| Refusal::new(RefusalCode::BadRequest, reason);
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(bad("There must be one Host header."));
    };
    let host = host.to_str().ok();
    let host = host.and_then(|host| Target::parse(host, default_port).ok());
    host.ok_or_else(|| bad("The Host header holds no host and port."))
}

/// Nothing of the request's framing is taken over: it is written from what was understood.
fn rewritten(
    request: Request<Incoming>,
    target: &Target,
    proxy: Option<&UpstreamProxy>,
) -> Result<Request<Incoming>, Refusal> {
    let (mut parts, body) = request.into_parts();
    strip(&mut parts.headers);
    for name in [header::CONTENT_LENGTH, header::EXPECT] {
        parts.headers.remove(name);
    }
    let authority = target.authority(HTTP_PORT);
    let host = HeaderValue::from_str(&authority).expect("a target is ASCII");
    parts.headers.insert(header::HOST, host);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    // `http://host?query` has none.
    let slash = if path.starts_with('/') { "" } else { "/" };
    let address = match proxy {
        None => format!("{slash}{path}"),
        Some(proxy) => {
            if let Some(authorization) = &proxy.authorization {
                let name = header::PROXY_AUTHORIZATION;
                parts.headers.insert(name, authorization.clone());
            }
            format!("http://{authority}{slash}{path}")
        }
    };
    parts.uri = address.parse::<Uri>().map_err(|_| {
        let reason = "The address is longer than can be forwarded.";
        Refusal::new(RefusalCode::BadRequest, reason)
    })?;
    parts.version = Version::HTTP_11;
    parts
        .headers
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    parts.extensions.clear();
    Ok(Request::from_parts(parts, body))
}

/// Takes out what is about the connection, and what a `Connection` header declares to be.
fn strip(headers: &mut HeaderMap) {
    let declared: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in declared {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The answer, whose last byte ends the entry and the connection to the server.
fn respond(
    response: Response<Incoming>,
    entry: Entry,
    connection: AbortOnDropHandle<()>,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // Of two framings the body was read by this one; the other must not reach the client.
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    strip(&mut parts.headers);
    parts.headers.remove(super::refusal::ERROR_HEADER);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let frames = BodyStream::new(body).inspect_ok(move |_| {
        let _kept_to_the_end = (&entry, &connection);
    });
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// For what hyper could not read: it has answered already.
pub(super) fn status_of(error: &hyper::Error) -> Refusal {
    let status = match error.is_parse_too_large() {
        true => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        false => StatusCode::BAD_REQUEST,
    };
    let reason = format!("This is no request of HTTP/1.1 ({status}): {error}.");
    Refusal::new(RefusalCode::BadRequest, reason)
}
