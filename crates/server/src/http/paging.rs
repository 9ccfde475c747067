//! Pages of lists: limits, and the `Link` header.

use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderMap};
use outwork_api::page::{DEFAULT_LIMIT, MAX_LIMIT, Page};
use outwork_api::problem::Code;
use serde::Serialize;

use crate::refusal::Refusal;

/// The limit asked for, or why it is wrong.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Refusal> {
    limit_up_to(asked, DEFAULT_LIMIT, MAX_LIMIT)
}

pub(crate) fn limit_up_to(asked: Option<u32>, default: u32, max: u32) -> Result<u32, Refusal> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => Err(Refusal::new(
            Code::InvalidRequest,
            format!("`limit` is {limit}; it must be 1 to {max}."),
        )),
    }
}

/// A page, with a link to the next one: the same address with `parameter` set to the cursor.
pub(crate) fn respond<T: Serialize>(page: Page<T>, uri: &Uri, parameter: &str) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(link) = page
        .next_cursor
        .as_deref()
        .and_then(|cursor| link(uri, parameter, cursor))
    {
        headers.insert(header::LINK, link);
    }
    (headers, Json(page)).into_response()
}

fn link(uri: &Uri, parameter: &str, cursor: &str) -> Option<HeaderValue> {
    let name = format!("{parameter}=");
    let kept = uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with(&name));
    let query: Vec<String> = kept
        .map(str::to_owned)
        .chain([format!("{name}{}", encode(cursor))])
        .collect();
    HeaderValue::from_str(&format!(
        "<{}?{}>; rel=\"next\"",
        uri.path(),
        query.join("&")
    ))
    .ok()
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_query() {
        let uri: Uri = "/api/v1/tasks?cursor=old&limit=2"
            .parse()
            .expect("an address");
        assert_eq!(
            link(&uri, "cursor", "a=b").expect("a link"),
            "</api/v1/tasks?limit=2&cursor=a%3Db>; rel=\"next\""
        );
    }
}
