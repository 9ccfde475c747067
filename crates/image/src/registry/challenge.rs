//! The header `WWW-Authenticate`: how a registry wants to be told who asks.

/// `Bearer realm="https://auth.example/token",service="registry.example"`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// All challenges of a header, as far as they can be understood.
    pub(super) fn parse_all(header: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if word.is_empty() {
                return challenges;
            }
            let word = word.to_ascii_lowercase();
            let (Some(value), Some(challenge)) = (after.strip_prefix('='), challenges.last_mut())
            else {
                challenges.push(Self {
                    scheme: word,
                    parameters: Vec::new(),
                });
                rest = after.trim_start_matches('=');
                continue;
            };
            let (value, after) = take_value(value);
            challenge.parameters.push((word, value));
            rest = after;
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.parameters.iter().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

/// A word or a quoted text, and what follows it.
fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, char)| char)),
            char => value.push(char),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Challenge {
            scheme: scheme.to_owned(),
            parameters: parameters.iter().map(owned).collect(),
        }
    }

    #[test]
    fn headers_hold_one_challenge_or_several() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://a.example/token?x=1,2",service="r.example", scope="repository:a/b:pull,push""#,
                vec![challenge(
                    "bearer",
                    &[
                        ("realm", "https://a.example/token?x=1,2"),
                        ("service", "r.example"),
                        ("scope", "repository:a/b:pull,push"),
                    ],
                )],
            ),
            (
                r#"BASIC Realm=word, Bearer realm="q\"uoted",error=x"#,
                vec![
                    challenge("basic", &[("realm", "word")]),
                    challenge("bearer", &[("realm", "q\"uoted"), ("error", "x")]),
                ],
            ),
            ("Negotiate", vec![challenge("negotiate", &[])]),
            (
                "Negotiate, Basic",
                vec![challenge("negotiate", &[]), challenge("basic", &[])],
            ),
            ("", vec![]),
            (", =", vec![]),
            (
                r#"Bearer realm="open"#,
                vec![challenge("bearer", &[("realm", "open")])],
            ),
            (
                r#"Bearer realm="open\"#,
                vec![challenge("bearer", &[("realm", "open")])],
            ),
            ("Bearer realm=", vec![challenge("bearer", &[("realm", "")])]),
        ] {
            assert_eq!(Challenge::parse_all(header), expected, "{header}");
        }
        let both = challenge("bearer", &[("realm", "1"), ("realm", "2")]);
        assert_eq!(
            (both.parameter("realm"), both.parameter("x")),
            (Some("1"), None)
        );
    }
}
