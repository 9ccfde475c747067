use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

pub(in crate::mask) fn masker(secrets: &[(&str, &str)]) -> Masker {
    Masker::new(secrets.iter().copied())
}

fn whole(secrets: &[(&str, &str)], text: &str) -> String {
    masker(secrets).mask(text).into_owned()
}

#[test]
fn a_value_is_masked_in_each_of_its_forms() {
    let value = "hunter/22+secret?value";
    let secrets = [("TOKEN", value)];
    for text in [
        value.to_owned(),
        "hunter%2F22%2Bsecret%3Fvalue".to_owned(),
        "hunter%2f22%2bsecret%3fvalue".to_owned(),
        "hunter\\/22+secret?value".to_owned(),
    ] {
        let line = format!("before {text}, after");
        assert_eq!(whole(&secrets, &line), "before [secret TOKEN], after");
    }
    for begin in 0..3 {
        let text = format!("{}{value}\n", &"u:x"[..begin]);
        for written in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let said = whole(&secrets, &format!("Basic {written}"));
            // At either end, a character is partly of what is beside the value.
            let left = said.replace("[secret TOKEN]", "");
            assert!(said.contains("[secret TOKEN]"), "{written} {said}");
            assert!(left.len() <= "Basic ".len() + 8, "{written} {said}");
        }
    }
    assert_eq!(whole(&secrets, "nothing here"), "nothing here");
}

#[test]
fn values_within_and_across_each_other_leave_nothing() {
    let secrets = [
        ("SHORT", "hunter22"),
        ("LONG", "hunter22-and-more"),
        ("NEXT", "more-of-it"),
        ("SAME", "hunter22"),
    ];
    for (text, said) in [
        ("hunter22", "[secret SHORT]"),
        ("hunter22-and-mor", "[secret SHORT]-and-mor"),
        ("(hunter22-and-more)", "([secret LONG])"),
        ("hunter22-and-more-of-it", "[secret LONG][secret NEXT]"),
        ("hunter22hunter22", "[secret SHORT][secret SHORT]"),
        ("xhunter22x", "x[secret SHORT]x"),
    ] {
        assert_eq!(whole(&secrets, text), said);
    }
    assert_eq!(whole(&[("A", "aaaaaa")], "aaaaaaaaaaaab"), "[secret A]b");
}

/// As `base64`, `openssl` and Python's `encodebytes` do.
#[test]
fn base64_that_is_broken_into_lines_is_masked() {
    let value = "hunter22".repeat(20);
    let secrets = [("TOKEN", value.as_str())];
    for before in 0..80 {
        let text = format!("{}{value}:more", "u".repeat(before));
        for (width, line_break) in [(76, "\n"), (64, "\r\n"), (72, "\n    "), (60, "\n\n")] {
            let written = in_lines(&STANDARD.encode(&text), width, line_break);
            let said = whole(&secrets, &format!("Basic {written}\nand on"));
            let (_, rest) = said.split_once("[secret TOKEN]").expect(&said);
            assert!(rest.len() <= "OmMvcmU=    \r\n\r\nand on".len(), "{said}");
            // Of the beginning, what stood before the break when that was very little.
            let told = said.split("[secret").next().unwrap().trim_end();
            let plain = STANDARD.encode("u".repeat(before));
            let most = "Basic ".len() + in_lines(&plain, width, line_break).len() + 4;
            assert!(told.len() <= most, "{before} {said}");
        }
    }
    // Lines that end as a value begins are not kept back.
    let masker = masker(&secrets);
    let mut stream = MaskStream::default();
    let begins = &STANDARD.encode(&value)[..8];
    for (line, said) in [
        (
            format!("wait {}\n", &begins[..3]),
            format!("wait {}\n", &begins[..3]),
        ),
        ("go on\n".to_owned(), "go on\n".to_owned()),
        (format!("wait {begins}\n"), "wait ".to_owned()),
        ("go on\n".to_owned(), format!("{begins}\ngo on\n")),
    ] {
        assert_eq!(stream.push(&masker, &line), said);
    }
}

#[test]
fn a_value_is_masked_as_shells_and_languages_show_it() {
    let secrets = [("TOKEN", r#"it's "$HOME"#)];
    for written in [
        r#"+ : 'it'\''s "$HOME\'"#,
        r#"X='it'"'"'s "$HOME\'"#,
        r#"declare -x X="it's \"\$HOME\\""#,
        r#"it\'s\ \"\$HOME\\"#,
        r#"{'X': 'it\'s "$HOME\\'}"#,
        r#"$'it\'s "$HOME\\'"#,
    ] {
        let said = whole(&secrets, written);
        assert!(
            said.contains("[secret TOKEN]") && !said.contains("HOME"),
            "{said}"
        );
    }
}

#[test]
fn a_key_is_masked_whole_and_line_by_line() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n========\nabc=\n-----END KEY-----\n";
    let secrets = [("KEY", key)];
    assert_eq!(whole(&secrets, key), "[secret KEY]\n");
    assert_eq!(
        whole(&secrets, &key.replace('\n', "\r\n    ")),
        "[secret KEY]\r\n    [secret KEY]\r\n    [secret KEY]\r\n    ========\r\n    abc=\r\n    [secret KEY]\r\n    "
    );
    assert_eq!(
        whole(&secrets, "2: hkiG9w0BAQEFAASC\n======== line 3"),
        "2: [secret KEY]\n======== line 3"
    );
    assert_eq!(
        whole(&secrets, &key.trim().replace('\n', "\\n")),
        "[secret KEY]"
    );
}

#[test]
fn short_values_are_left_alone_and_told() {
    let masker = masker(&[
        ("PIN", "12345"),
        ("EMPTY", ""),
        ("TOKEN", " 123456 \n"),
        ("B", " 1\n "),
    ]);
    assert_eq!(masker.mask("12345 123456"), "12345 [secret TOKEN]");
    assert_eq!(masker.unmaskable(), ["PIN", "EMPTY", "B"]);
    assert!(!masker.is_empty());
    let none = self::masker(&[("PIN", "12345")]);
    assert!(none.is_empty());
    assert_eq!(none.mask("12345"), "12345");
    assert_eq!(MaskStream::default().push(&none, "12345"), "12345");
}

#[test]
fn a_mark_never_shows_a_value() {
    assert_eq!(whole(&[("A", "secret")], "a secret"), "a [***]");
    assert_eq!(whole(&[("TOKEN_1", "TOKEN_1")], "=TOKEN_1"), "=[secret]");
    let printed = format!("{:?}", masker(&[("TOKEN", "hunter22")]));
    assert!(
        printed.contains("TOKEN") && !printed.contains("hunter22"),
        "{printed}"
    );
}

#[test]
fn a_stream_keeps_back_only_what_may_be_a_value() {
    let masker = masker(&[("TOKEN", "hunter22-long")]);
    let mut stream = MaskStream::default();
    let said = [
        "hello ",
        "hh",
        "unt",
        "er23 hunter2",
        "2-lon",
        "g and hu",
        "gs h",
    ]
    .map(|piece| stream.push(&masker, piece));
    assert_eq!(
        said,
        [
            "hello ",
            "h",
            "",
            "hunter23 ",
            "",
            "[secret TOKEN] and ",
            "hugs "
        ]
    );
    assert!(stream.is_waiting());
    assert_eq!(stream.finish(&masker), "h");
    assert_eq!(stream.finish(&masker), "");
}

#[test]
fn a_stream_that_is_interrupted_tells_no_more_than_three_bytes_of_a_value() {
    let masker = masker(&[("TOKEN", "hunter22-long")]);
    let value = "hunter22-long";
    for cut in 1..value.len() {
        let mut stream = MaskStream::default();
        let mut said = stream.push(&masker, &format!("a {}", &value[..cut]));
        said += &stream.interrupt(&masker);
        assert!(!stream.is_waiting());
        assert_eq!(stream.interrupt(&masker), "");
        said += &stream.push(&masker, &format!("{} b", &value[cut..]));
        said += &stream.finish(&masker);
        let told = if cut < 4 { &value[..cut] } else { "" };
        assert_eq!(said, format!("a {told}[secret TOKEN] b"));
    }
    // Even one by one.
    let mut stream = MaskStream::default();
    let mut said = String::new();
    for character in format!("{value}, hunger").chars() {
        said += &stream.push(&masker, &character.to_string());
        said += &stream.interrupt(&masker);
    }
    assert_eq!(said, "hun[secret TOKEN], hunger");
}

/// A source of chance that is the same each time.
pub(in crate::mask) struct Dice(pub(in crate::mask) u64);

impl Dice {
    pub(in crate::mask) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn text(&mut self, letters: &[char], longest: usize) -> String {
        let length = self.below(longest + 1);
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

/// Secrets that overlap as much as secrets can, and a text that is full of them and of their beginnings.
pub(in crate::mask) fn scene(dice: &mut Dice) -> (Vec<(String, String)>, String) {
    const ALPHABETS: [&[char]; 4] = [
        &['x'],
        &['x', 'y'],
        &['x', 'y', '/', '+', '\n', 'ü', '"'],
        &['x', 'y', 'z', '𝄞', ' ', '%'],
    ];
    let letters = ALPHABETS[dice.below(ALPHABETS.len())];
    let secrets: Vec<_> = (0..1 + dice.below(4))
        .map(|number| {
            let longest = if dice.below(8) == 0 { 100 } else { 14 };
            (format!("N{number}"), dice.text(letters, longest))
        })
        .collect();
    let mut text = String::new();
    for _ in 0..dice.below(12) {
        let (_, value) = &secrets[dice.below(secrets.len())];
        match dice.below(8) {
            0 => text += &dice.text(letters, 12),
            1 => text += value,
            2 => text += &value[..value.floor_char_boundary(dice.below(value.len() + 1))],
            3 => text += &value[value.floor_char_boundary(dice.below(value.len() + 1))..],
            4 => text += &STANDARD.encode(format!("{}{value}", dice.text(letters, 3))),
            5 => {
                let coded = STANDARD.encode(format!("{}{value}", dice.text(letters, 3)));
                text += &in_lines(
                    &coded,
                    1 + dice.below(9),
                    ["\n", "\r\n", "\n  "][dice.below(3)],
                );
            }
            6 => text += "\n",
            _ => text += &serde_json::to_string(value).unwrap(),
        }
    }
    (secrets, text)
}

fn in_lines(text: &str, width: usize, line_break: &str) -> String {
    let lines = text
        .as_bytes()
        .chunks(width)
        .map(|line| str::from_utf8(line).unwrap());
    lines.collect::<Vec<_>>().join(line_break)
}

pub(in crate::mask) fn pieces<'a>(dice: &mut Dice, mut text: &'a str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let end = text.ceil_char_boundary(1 + dice.below(text.len().min(9)));
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    pieces
}

pub(in crate::mask) fn assert_clean(secrets: &[(String, String)], said: &str) {
    for (_, value) in secrets {
        if value.trim().len() >= 6 {
            assert!(!said.contains(value.trim()), "{secrets:?} {said:?}");
        }
    }
}

#[test]
fn whatever_the_pieces_the_whole_is_the_same_and_shows_no_value() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..1000 {
        let (secrets, text) = scene(&mut dice);
        let masker = Masker::new(secrets.iter().map(|(name, value)| (name, value)));
        let whole = masker.mask(&text).into_owned();
        assert_clean(&secrets, &whole);
        let mut stream = MaskStream::default();
        let mut said = String::new();
        for piece in pieces(&mut dice, &text) {
            said += &stream.push(&masker, piece);
        }
        said += &stream.finish(&masker);
        assert_eq!(said, whole, "{secrets:?} {text:?}");
    }
}
