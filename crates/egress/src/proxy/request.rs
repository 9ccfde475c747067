//! What a request asks for, from its head: plain HTTP to a proxy, or inside TLS to the one host of the tunnel.

use super::head::{Fields, RequestHead};
use super::refusal::{Refusal, RefusalCode};
use crate::policy::RequestFacts;
use crate::policy::target::Target;

pub(super) const HTTP_PORT: u16 = 80;
pub(super) const HTTPS_PORT: u16 = 443;
/// Servers that know one of them read a GET as whatever it says.
const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// The parts of an address. What follows a `#` is the client's own business and dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `None` for a path alone.
    pub(super) base: Option<(String, String)>,
    /// Begins with `/`, or is `*`.
    pub(super) path: String,
    /// Without its `?`; `None` is not the same as an empty one.
    pub(super) query: Option<String>,
}

impl Address {
    pub(super) fn parse(target: &str) -> Self {
        let target = target.split('#').next().unwrap_or_default();
        let (base, rest) = match target.split_once("://") {
            Some((scheme, rest)) if !target.starts_with('/') => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at(end);
                (
                    Some((scheme.to_ascii_lowercase(), authority.to_owned())),
                    rest,
                )
            }
            _ => (None, target),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        // `http://host?query` has none.
        let path = match (path, &base) {
            ("", Some(_)) => "/",
            (path, _) => path,
        };
        Self {
            base,
            path: path.to_owned(),
            query,
        }
    }

    pub(super) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Where a plain request to the proxy goes. `note` is told the authority as it was written.
pub(super) fn plain_target(
    head: &RequestHead,
    address: &Address,
    note: impl FnOnce(&str),
) -> Result<Target, Refusal> {
    let Some((scheme, authority)) = &address.base else {
        return Err(Refusal::bad_request(
            "This is a proxy: the request must name the whole address.",
        ));
    };
    note(authority);
    if scheme != "http" {
        let scheme = super::journal::printable(scheme, 32);
        return Err(Refusal::new(
            RefusalCode::SchemeNotAllowed,
            format!("{scheme}:// addresses are not forwarded."),
        ));
    }
    let target = Target::parse(authority, Some(HTTP_PORT));
    let target = target.map_err(|error| {
        Refusal::bad_request(format!("This is no address of a server: {error}."))
    })?;
    same_host(&head.fields, &target, HTTP_PORT)?;
    Ok(target)
}

/// Whether a request inside TLS is for the host of the tunnel, and for nothing else.
pub(super) fn inner_target(
    head: &RequestHead,
    address: &Address,
    tunnel: &Target,
) -> Result<(), Refusal> {
    if let Some((scheme, authority)) = &address.base {
        let is_same =
            Target::parse(authority, Some(HTTPS_PORT)).is_ok_and(|target| target == *tunnel);
        if scheme != "https" || !is_same {
            return Err(Refusal::new(
                RefusalCode::HostMismatch,
                format!(
                    "The request is for another address than {tunnel}, to which the tunnel is."
                ),
            ));
        }
    }
    let is_asterisk = address.path == "*" && head.method == "OPTIONS" && address.base.is_none();
    if !address.path.starts_with('/') && !is_asterisk {
        return Err(Refusal::bad_request("The request does not name a path."));
    }
    same_host(&head.fields, tunnel, HTTPS_PORT)
}

fn same_host(fields: &Fields, target: &Target, default_port: u16) -> Result<(), Refusal> {
    let host = host_header(fields, default_port)?;
    match host == *target {
        true => Ok(()),
        false => Err(Refusal::new(
            RefusalCode::HostMismatch,
            format!("The Host header says {host}, and the request is for {target}."),
        )),
    }
}

/// The one Host header.
pub(super) fn host_header(fields: &Fields, default_port: u16) -> Result<Target, Refusal> {
    let host = fields.one("host");
    let host = host.ok_or_else(|| Refusal::bad_request("There must be one Host header."))?;
    Target::parse(host, Some(default_port))
        .map_err(|_| Refusal::bad_request("The Host header holds no host and port."))
}

/// What a policy looks at.
pub(super) fn facts<'a>(
    head: &'a RequestHead,
    address: &'a Address,
    is_tls: bool,
) -> Result<RequestFacts<'a>, Refusal> {
    let fields = &head.fields;
    let one = |name: &str| match fields.has(name) {
        false => Ok(None),
        true => {
            let bad = || {
                Refusal::bad_request(format!("There are two headers {name}, or it is no ASCII."))
            };
            fields.one(name).map(Some).ok_or_else(bad)
        }
    };
    Ok(RequestFacts {
        method: &head.method,
        path: &address.path,
        query: address.query.as_deref().unwrap_or_default(),
        content_type: one("content-type")?.unwrap_or_default(),
        upgrade: one("upgrade")?,
        overrides_method: METHOD_OVERRIDES.iter().any(|name| fields.has(name)),
        is_tls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_address() {
        let parts = |text| {
            let Address { base, path, query } = Address::parse(text);
            let base = base.map(|(scheme, authority)| format!("{scheme}|{authority}"));
            (base.unwrap_or_default(), path, query)
        };
        for (text, base, path, query) in [
            ("/a?b", "", "/a", Some("b")),
            ("/a?", "", "/a", Some("")),
            ("/a", "", "/a", None),
            ("*", "", "*", None),
            ("HTTP://h:1/a?b?c", "http|h:1", "/a", Some("b?c")),
            ("http://h?a/b", "http|h", "/", Some("a/b")),
            ("http://h", "http|h", "/", None),
            ("http://u@h/#x", "http|u@h", "/", None),
            ("/x?http://h/", "", "/x", Some("http://h/")),
            ("//h/x", "", "//h/x", None),
            ("", "", "", None),
        ] {
            let query = query.map(str::to_owned);
            assert_eq!(
                parts(text),
                (base.to_owned(), path.to_owned(), query),
                "{text}"
            );
        }
    }
}
