//! The forms in which a value is usually written down.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// As it is, or in small letters.
    Plain,
    /// Base64, in one of the two alphabets, wherever it begins among the other bytes.
    Base64,
    /// With `%41` for letters that have a meaning in URLs.
    Percent,
    /// With the escapes of JSON strings.
    Json,
    /// As shells quote it, and as languages show a string.
    Quoted,
}

/// A value in one of its forms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form {
    /// How it is written.
    pub encoding: Encoding,
    /// What is written.
    pub text: String,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({:?}, ****)", self.encoding)
    }
}

/// All forms of `value`, each once, the plain one first. Base64 stands for the whole characters only: at either end, some bits of
/// the value share a character with what is beside it.
pub fn forms(value: &str) -> Vec<Form> {
    let mut seen = BTreeSet::new();
    // Names of hosts are shown in small letters.
    let plain = vec![value.to_owned(), value.to_ascii_lowercase()];
    let plain = (Encoding::Plain, plain);
    let all = [
        plain,
        (Encoding::Json, json(value)),
        (Encoding::Percent, percent(value)),
        (Encoding::Quoted, quoted(value)),
        (Encoding::Base64, base64(value)),
    ];
    let mut forms = Vec::new();
    for (encoding, texts) in all {
        for text in texts {
            if !text.is_empty() && seen.insert(text.clone()) {
                forms.push(Form { encoding, text });
            }
        }
    }
    forms
}

/// Which characters are left as they are differs from one library to the next.
fn percent(value: &str) -> Vec<String> {
    // RFC 3986; Python's `quote`; JavaScript's `encodeURIComponent` and `encodeURI`; forms of HTML.
    const KEPT: [&str; 5] = ["-._~", "-._~/", "-._~!'()*", "-._~!'()*;/?:@&=+$,#", "-._*"];
    let spaces: &[&str] = if value.contains(' ') {
        &["%20", "+"]
    } else {
        &["%20"]
    };
    let mut texts = Vec::new();
    for kept in telling(&KEPT, value) {
        for is_small in [false, true] {
            for space in spaces {
                texts.push(percent_with(value, &kept, is_small, space));
            }
        }
    }
    texts
}

/// What is left of `sets` when only characters of `value` count, each set once: a long value is not written twice alike.
fn telling(sets: &[&str], value: &str) -> BTreeSet<String> {
    let present: BTreeSet<char> = value.chars().collect();
    sets.iter()
        .map(|set| set.chars().filter(|c| present.contains(c)).collect())
        .collect()
}

fn percent_with(value: &str, kept: &str, is_small: bool, space: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            text.push(char::from(byte));
        } else if byte == b' ' {
            text.push_str(space);
        } else if is_small {
            write!(text, "%{byte:02x}").expect("a String takes any text");
        } else {
            write!(text, "%{byte:02X}").expect("a String takes any text");
        }
    }
    text
}

/// Writers differ in what they escape beyond what they must: `/`, what HTML could mistake, everything that is not ASCII.
fn json(value: &str) -> Vec<String> {
    let ascii: &[bool] = if value.is_ascii() {
        &[false]
    } else {
        &[false, true]
    };
    let mut texts = Vec::new();
    for beyond in telling(&["", "/", "<>&", "<>&'+`"], value) {
        for is_ascii in ascii {
            for is_small in [false, true] {
                texts.push(json_with(value, &beyond, *is_ascii, is_small));
            }
        }
    }
    texts
}

fn json_with(value: &str, beyond: &str, is_ascii: bool, is_small: bool) -> String {
    let mut text = String::new();
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '/' if beyond.contains('/') => text.push_str("\\/"),
            _ if character.is_control()
                || beyond.contains(character)
                || (is_ascii && !character.is_ascii()) =>
            {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    if is_small {
                        write!(text, "\\u{unit:04x}").expect("a String takes any text");
                    } else {
                        write!(text, "\\u{unit:04X}").expect("a String takes any text");
                    }
                }
            }
            _ => text.push(character),
        }
    }
    text
}

/// What is between the quotes, where it is not the value itself.
fn quoted(value: &str) -> Vec<String> {
    // What `declare -p` escapes; what `printf %q` does.
    const ESCAPED: [&str; 2] = ["\"$`\\", " '\"\\|&;()<>!{}*[]?^$`,"];
    // Bash's `set -x` and `${NAME@Q}`; other shells, and Python's `shlex.quote`.
    const APOSTROPHES: [&str; 2] = [r"'\''", r#"'"'"'"#];
    // Bash's `$'…'`, Python's `repr`, Node's `inspect`: those that do not escape `"`, as JSON does.
    const C_ESCAPED: [&str; 2] = ["", "'"];
    let mut texts = Vec::new();
    if value.contains('\'') {
        texts.extend(APOSTROPHES.map(|written| value.replace('\'', written)));
    }
    for escaped in ESCAPED {
        if value.contains(|c| escaped.contains(c)) {
            texts.push(backslashed(value, escaped));
        }
    }
    for quote in C_ESCAPED {
        if value.contains(|c: char| c == '\\' || c.is_control() || quote.contains(c)) {
            texts.push(c_escaped(value, quote));
        }
    }
    texts
}

fn backslashed(value: &str, escaped: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        if escaped.contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

fn c_escaped(value: &str, quote: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ => {
                if quote.contains(character) {
                    text.push('\\');
                }
                text.push(character);
            }
        }
    }
    text
}

/// Three bytes are four characters, so a value looks different for each of the three places where it can begin.
fn base64(value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for begin in 0..3 {
        for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
            texts.push(base64_from(value, begin, alphabet));
        }
    }
    texts
}

fn base64_from(value: &str, begin: usize, alphabet: &Alphabet) -> String {
    let bytes = [&[0; 3][..begin], value.as_bytes()].concat();
    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&bytes);
    let first = (begin * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    encoded[first..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(value: &str, encoding: Encoding) -> Vec<String> {
        forms(value)
            .into_iter()
            .filter(|form| form.encoding == encoding)
            .map(|form| form.text)
            .collect()
    }

    #[test]
    fn a_plain_token_has_a_plain_form_and_three_of_base64() {
        let all = forms("hunter22hunter");
        assert_eq!(all.len(), 4, "{}", all.len());
        assert_eq!(all[0].text, "hunter22hunter");
        assert!(!format!("{all:?}").contains("hunter"));
    }

    #[test]
    fn base64_is_found_wherever_it_begins() {
        // ÿ and > give the characters in which the alphabets differ.
        let value = "a?>ÿÿ~~>?>?secret";
        for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
            for before in ["", "x", "xy", "xyz", "wxyz"] {
                for after in ["", "1", "12", "123"] {
                    let engine = GeneralPurpose::new(alphabet, NO_PAD);
                    let written = engine.encode(format!("{before}{value}{after}"));
                    let found = texts(value, Encoding::Base64)
                        .iter()
                        .any(|form| written.contains(form));
                    assert!(found, "{before} {after} {written}");
                }
            }
        }
        assert!(texts(value, Encoding::Base64).len() > 3);
    }

    #[test]
    fn what_common_writers_make_of_a_value_is_among_the_forms() {
        let value = "p/ss w\"rd\n<ü>&𝄞~!\\";
        let percent = texts(value, Encoding::Percent);
        for written in [
            // Python: quote, quote_plus. JavaScript: encodeURIComponent. Small letters: .NET.
            "p/ss%20w%22rd%0A%3C%C3%BC%3E%26%F0%9D%84%9E~%21%5C",
            "p%2Fss+w%22rd%0A%3C%C3%BC%3E%26%F0%9D%84%9E~%21%5C",
            "p%2Fss%20w%22rd%0A%3C%C3%BC%3E%26%F0%9D%84%9E~!%5C",
            "p%2fss+w%22rd%0a%3c%c3%bc%3e%26%f0%9d%84%9e%7e%21%5c",
        ] {
            assert!(percent.iter().any(|form| form == written), "{written}");
        }
        let json = texts(value, Encoding::Json);
        for written in [
            // serde_json, PHP, Go, Python.
            "p/ss w\\\"rd\\n<ü>&𝄞~!\\\\",
            "p\\/ss w\\\"rd\\n<\\u00fc>&\\ud834\\udd1e~!\\\\",
            "p/ss w\\\"rd\\n\\u003cü\\u003e\\u0026𝄞~!\\\\",
            "p/ss w\\\"rd\\n<\\u00fc>&\\ud834\\udd1e~!\\\\",
        ] {
            assert!(json.iter().any(|form| form == written), "{written}");
        }
        let quoted = texts(
            "it's \"q\" \\ $HOME `a` {}[1],!|&;()<>*?^\n",
            Encoding::Quoted,
        );
        for written in [
            // set -x; shlex.quote; declare -p; printf %q; $'…' and Python's repr; Node.
            "it'\\''s \"q\" \\ $HOME `a` {}[1],!|&;()<>*?^\n",
            "it'\"'\"'s \"q\" \\ $HOME `a` {}[1],!|&;()<>*?^\n",
            "it's \\\"q\\\" \\\\ \\$HOME \\`a\\` {}[1],!|&;()<>*?^\n",
            "it\\'s\\ \\\"q\\\"\\ \\\\\\ \\$HOME\\ \\`a\\`\\ \\{\\}\\[1\\]\\,\\!\\|\\&\\;\\(\\)\\<\\>\\*\\?\\^\n",
            "it\\'s \"q\" \\\\ $HOME `a` {}[1],!|&;()<>*?^\\n",
            "it's \"q\" \\\\ $HOME `a` {}[1],!|&;()<>*?^\\n",
        ] {
            assert!(quoted.iter().any(|form| form == written), "{written}");
        }
        assert_eq!(
            serde_json::to_string(value).expect("text"),
            format!("\"{}\"", json[0])
        );
    }
}
