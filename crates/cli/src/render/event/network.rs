//! What setup asked of the network.

use outwork_api::event::EventBody;

use crate::phrase::after_colon;
use crate::terminal::plain::plain;

/// `network: refused GET host:443/path: why (code)`.
pub(super) fn line(body: &EventBody) -> String {
    let EventBody::NetworkRequest {
        host,
        port,
        method,
        path,
        verdict,
        code,
        reason,
    } = body
    else {
        return String::new();
    };
    let method = method.as_ref().map(|method| format!("{} ", plain(method)));
    let path = path.as_ref().map(|path| plain(path));
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
        path.unwrap_or_default()
    )
}
