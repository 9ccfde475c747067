//! What was asked of the network.

use std::collections::BTreeSet;

use outwork_api::event::EventBody;

use crate::phrase::after_colon;
use crate::terminal::plain::plain;

/// How refused requests can be allowed, as far as it was told: an agent tries the same again and
/// again, and so would the advice be.
#[derive(Default)]
pub(super) struct Hints(BTreeSet<String>);

impl Hints {
    /// `network: refused GET host:443/path: why (code; rule)`, and once how to allow it.
    pub(super) fn lines(&mut self, body: &EventBody) -> Vec<String> {
        let EventBody::NetworkRequest {
            host,
            port,
            method,
            path,
            verdict,
            code,
            reason,
            rule,
            hint,
        } = body
        else {
            return Vec::new();
        };
        let method = method.as_ref().map(|method| format!("{} ", plain(method)));
        let path = path.as_ref().map(|path| plain(path));
        let mut line = format!(
            "network: {} {}{}:{port}{}",
            plain(verdict),
            method.unwrap_or_default(),
            plain(host),
            path.unwrap_or_default()
        );
        if let Some(reason) = reason {
            line.push_str(&format!(": {}", plain(&after_colon(reason))));
        }
        let decided: Vec<String> = code.iter().chain(rule).map(|text| plain(text)).collect();
        if !decided.is_empty() {
            line.push_str(&format!(" ({})", decided.join("; ")));
        }
        let mut lines = vec![line];
        if let Some(hint) = hint
            && self.0.insert(hint.clone())
        {
            lines.push(format!("  hint: {}", plain(&after_colon(hint))));
        }
        lines
    }
}
