//! What setup asked of the network.

use crate::phrase::after_colon;
use crate::terminal::plain::plain;

/// A request that the proxy let pass or refused.
pub(super) struct Request<'a> {
    pub host: &'a str,
    pub port: u16,
    pub method: Option<&'a str>,
    pub path: Option<&'a str>,
    pub verdict: &'a str,
    pub code: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// `network: refused GET host:443/path: why (code)`.
pub(super) fn line(request: &Request<'_>) -> String {
    let Request {
        host,
        port,
        method,
        path,
        verdict,
        code,
        reason,
    } = request;
    let method = method.map(|method| format!("{} ", plain(method)));
    let why = match (reason, code) {
        (Some(reason), Some(code)) => {
            format!(": {} ({})", plain(&after_colon(reason)), plain(code))
        }
        (Some(text), None) | (None, Some(text)) => format!(": {}", plain(&after_colon(text))),
        (None, None) => String::new(),
    };
    format!(
        "network: {} {}{}:{port}{}{why}",
        plain(verdict),
        method.unwrap_or_default(),
        plain(host),
        plain(path.unwrap_or(""))
    )
}
