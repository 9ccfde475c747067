//! The address of a server.

use reqwest::Url;

use super::error::InvalidBaseUrl;

/// Reads the address of a server; without a slash at the end of its path.
pub(super) fn parse_base_url(text: &str) -> Result<Url, InvalidBaseUrl> {
    let refuse = |reason| InvalidBaseUrl {
        text: text.chars().take(200).collect(),
        reason,
    };
    let mut url: Url = text
        .trim()
        .parse()
        .map_err(|_| refuse("it cannot be read"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it begins neither with http:// nor with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidBaseUrl {
            // The address as typed holds a password.
            text: format!("{}://…", url.scheme()),
            reason: "it holds a name or a password; the token is given apart",
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it has a query or a fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Whether requests stay on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for (text, expected) in [
            ("http://127.0.0.1:7420", Ok("http://127.0.0.1:7420/")),
            (" https://host/outwork/ ", Ok("https://host/outwork")),
            (
                "host:80",
                Err("it begins neither with http:// nor with https://"),
            ),
            ("/x", Err("it cannot be read")),
            (
                "ftp://host",
                Err("it begins neither with http:// nor with https://"),
            ),
            (
                "https://u:secret@host",
                Err("it holds a name or a password; the token is given apart"),
            ),
            ("https://host/?a=b", Err("it has a query or a fragment")),
        ] {
            let got = parse_base_url(text);
            let got = got.as_ref().map(Url::as_str).map_err(|error| error.reason);
            assert_eq!(got, expected, "{text}");
        }
        let error = parse_base_url("https://u:secret@host").expect_err("a password");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn loopback_goes_past_every_proxy() {
        for (text, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:80", true),
            ("http://LOCALHOST", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
        ] {
            let url = parse_base_url(text).expect("an address");
            assert_eq!(is_loopback(&url), expected, "{text}");
        }
    }
}
