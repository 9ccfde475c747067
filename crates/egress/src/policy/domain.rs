//! A domain of a list: itself and all below it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::target::Name;

/// `example.com` covers `example.com` and `a.b.example.com`. Lower case, ASCII, no final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

/// Why a text is no domain of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {reason}")]
pub struct BadDomain {
    text: String,
    reason: &'static str,
}

impl Domain {
    /// Takes `example.com`, and `.example.com` or `*.example.com`, which mean the same. Upper case and one final dot do not matter.
    ///
    /// # Errors
    /// Anything that is not one whole domain in ASCII: addresses, URLs, ports, other wildcards, top-level domains.
    pub fn parse(text: &str) -> Result<Self, BadDomain> {
        domain(text).map_err(|reason| BadDomain {
            text: text
                .chars()
                .take(260)
                .flat_map(char::escape_debug)
                .collect(),
            reason,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `name` is lower case and has no final dot.
    pub fn covers(&self, name: &str) -> bool {
        covers(&self.0, name)
    }
}

/// The one comparison of names with domains: a whole suffix of labels, never a part of a label.
pub(super) fn covers(domain: &str, name: &str) -> bool {
    let above = name.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn domain(text: &str) -> Result<Domain, &'static str> {
    if !text.is_ascii() {
        return Err("is not ASCII; write the form that begins with xn--");
    }
    let plain = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
    let plain = plain.unwrap_or(text);
    if plain.contains('*') {
        return Err("has a `*` that is not its first label; a domain covers all below it anyway");
    }
    if plain.contains(['/', ':', '@', '[']) {
        return Err("is more than a domain; leave out scheme, user, port and path");
    }
    let name = Name::parse(plain);
    let name = name.map_err(|_| "is no domain name; write one such as example.com")?;
    let name = name.as_str();
    if !name.contains('.') {
        return Err(
            "is a whole top-level domain, or no public name; write one such as example.com",
        );
    }
    let is_hyphened = |label: &str| label.starts_with('-') || label.ends_with('-');
    if name.split('.').any(is_hyphened) {
        return Err("has a label that begins or ends with a hyphen");
    }
    Ok(Domain(name.to_owned()))
}

impl TryFrom<String> for Domain {
    type Error = BadDomain;

    fn try_from(text: String) -> Result<Self, BadDomain> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(Domain(text): Domain) -> Self {
        text
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_each_domain() {
        for text in [
            "example.com",
            "Example.COM",
            "example.com.",
            ".example.com",
            "*.example.com",
        ] {
            assert_eq!(Domain::parse(text).expect(text).as_str(), "example.com");
        }
        for text in ["xn--bcher-kva.example", "a_b.example", "1.example.com"] {
            assert_eq!(Domain::parse(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn what_is_no_domain() {
        for text in [
            "",
            ".",
            "*",
            "*.",
            "com",
            "*.com",
            "localhost",
            "a..example",
            "example.com..",
            "..example.com",
            "*.*.example.com",
            "a.*.example.com",
            "*example.com",
            "ex*mple.com",
            "**.example.com",
            "https://example.com",
            "example.com/",
            "example.com:443",
            "me@example.com",
            "127.0.0.1",
            "1.2.3.4.",
            "127.1",
            "0x7f.1",
            "example.1",
            "[::1]",
            "::1",
            "b\u{fc}cher.example",
            "example\u{3002}com",
            "exa mple.com",
            "exam%70le.com",
            "-a.example.com",
            "a-.example.com",
            "example.com\0",
            "example.com\n",
        ] {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
        let long = format!("{}.example", "a".repeat(64));
        assert!(Domain::parse(&long).is_err());
        // An error names the text, and cannot write into a terminal.
        let error = Domain::parse("a\u{1b}[2J")
            .expect_err("no domain")
            .to_string();
        assert!(error.is_ascii() && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_domain_covers_itself_and_what_is_below() {
        let domain = Domain::parse("example.com").expect("a domain");
        for name in ["example.com", "a.example.com", "a.b.example.com"] {
            assert!(domain.covers(name), "{name}");
        }
        for name in [
            "com",
            "notexample.com",
            "example.com.evil.example",
            "example.org",
            "",
        ] {
            assert!(!domain.covers(name), "{name}");
        }
    }
}
