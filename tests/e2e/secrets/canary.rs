//! Values that are found wherever they or parts of them turn up.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A part of a value of this length is a leak; `base64` of one, too.
const WINDOW_BYTES: usize = 8;
/// Runs of letters and digits of at least this length are looked for; what is between them looks different in each encoding.
const RUN_BYTES: usize = 12;
/// Of a long value, not every window is needed.
const LONG_BYTES: usize = 4096;
const STRIDE: usize = 16;

/// Cannot be told from other text, and is told so.
pub const TOO_SHORT: &str = "SHORT";

pub struct Canaries {
    /// Name and value.
    pub values: Vec<(&'static str, String)>,
    windows: HashMap<u64, &'static str>,
    /// By a hash of the first half of a window: whether there is any.
    beginnings: Vec<bool>,
}

impl Canaries {
    /// Others for each `seed`, so that tests that run at once do not find each other's.
    pub fn new(seed: &str) -> Self {
        let mut random = Random::new(seed);
        let mut letters = |count| random.letters(count);
        let lines: Vec<String> = (0..6).map(|_| letters(64)).collect();
        let values = vec![
            ("PLAIN", letters(32)),
            (
                "PEM",
                format!(
                    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
                    lines.join("\n")
                ),
            ),
            (
                "ODD",
                format!(
                    "{}\"q'uo\\te $HOME `&<>%41+=/?#ü{}",
                    letters(16),
                    letters(16)
                ),
            ),
            ("LONG", letters(64 * 1024)),
            (
                "REGEX",
                format!(r"^(?:{}|.*)[a-z]+\d{{3}}{}$", letters(16), letters(16)),
            ),
            (TOO_SHORT, "k7%".to_owned()),
        ];
        Self::of(values)
    }

    pub fn of(values: Vec<(&'static str, String)>) -> Self {
        let mut windows = HashMap::new();
        for (name, value) in &values {
            for run in runs(value) {
                let step = if run.len() > LONG_BYTES { STRIDE } else { 1 };
                for text in written(run) {
                    for window in text.as_bytes().windows(WINDOW_BYTES).step_by(step) {
                        windows.insert(number(window), *name);
                    }
                }
            }
        }
        let mut beginnings = vec![false; 1 << 16];
        for window in windows.keys() {
            beginnings[slot(&window.to_be_bytes())] = true;
        }
        Self {
            values,
            windows,
            beginnings,
        }
    }

    pub fn value(&self, name: &str) -> &str {
        let mut values = self.values.iter();
        let found = values.find(|(known, _)| *known == name);
        &found.expect(name).1
    }

    /// The names of those of which at least a part is in `bytes`.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        self.places_in(bytes)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// Each that is found, with what is around its first place; the value is worth nothing, so it is shown.
    pub fn places_in(&self, bytes: &[u8]) -> Vec<(&'static str, String)> {
        let mut found: Vec<(&str, String)> = Vec::new();
        for (at, window) in bytes.windows(WINDOW_BYTES).enumerate() {
            if !self.beginnings[slot(window)] {
                continue;
            }
            let Some(name) = self.windows.get(&number(window)) else {
                continue;
            };
            if found.iter().all(|(known, _)| known != name) {
                let around = &bytes[at.saturating_sub(80)..bytes.len().min(at + 80)];
                found.push((name, String::from_utf8_lossy(around).into_owned()));
            }
        }
        found
    }

    /// A few pieces of each value, plain and in base64: enough to find it whole.
    pub fn needles(&self) -> Vec<(String, String)> {
        let mut needles = Vec::new();
        for (name, value) in &self.values {
            for run in runs(value) {
                let middle = (run.len() - RUN_BYTES) / 2;
                for begin in [0, middle, run.len() - RUN_BYTES] {
                    for text in written(&run[begin..begin + RUN_BYTES]) {
                        needles.push(((*name).to_owned(), text));
                    }
                }
            }
        }
        needles
    }
}

fn runs(value: &str) -> impl Iterator<Item = &str> {
    let parts = value.split(|character: char| !character.is_ascii_alphanumeric());
    parts.filter(|part| part.len() >= RUN_BYTES)
}

/// As it is, and in base64 wherever it begins among other bytes.
fn written(run: &str) -> Vec<String> {
    let mut texts = vec![run.to_owned()];
    for begin in 0..3 {
        let bytes = [&[0; 2][..begin], run.as_bytes()].concat();
        // At either end, a character is partly of what is beside the run.
        let (first, end) = ((begin * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            texts.push(engine.encode(&bytes)[first..end].to_owned());
        }
    }
    texts
}

fn number(window: &[u8]) -> u64 {
    u64::from_be_bytes(window.try_into().expect("a window"))
}

fn slot(window: &[u8]) -> usize {
    let first = u32::from_be_bytes(window[..4].try_into().expect("half a window"));
    (first.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Good enough for values that are unlike anything else.
struct Random(u64);

impl Random {
    fn new(seed: &str) -> Self {
        let mix = |state: u64, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1)
    }

    fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let letter = |_| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let number = usize::try_from(self.0 >> 33).expect("31 bits");
            char::from(LETTERS[number % LETTERS.len()])
        };
        (0..count).map(letter).collect()
    }
}

#[test]
fn parts_of_values_are_found_in_their_forms() {
    let canaries = Canaries::new("x");
    for (name, value) in &canaries.values {
        if *name == TOO_SHORT {
            continue;
        }
        let part = &runs(value).next().expect("a run")[2..12];
        for begin in 0..3 {
            let text = format!("{}{part}z", &"a:"[..begin]);
            for written in [text.clone(), STANDARD_NO_PAD.encode(&text)] {
                let found = canaries.found_in(written.as_bytes());
                // A stride may step over a part as short as this.
                let expected = if *name == "LONG" {
                    found.clone()
                } else {
                    BTreeSet::from([*name])
                };
                assert_eq!(found, expected, "{written}");
            }
        }
    }
    let long = canaries.value("LONG");
    assert_eq!(
        canaries.found_in(&long.as_bytes()[1001..1040]),
        BTreeSet::from(["LONG"])
    );
    let coded = STANDARD_NO_PAD.encode(&long[1002..1062]);
    assert_eq!(
        canaries.found_in(coded.as_bytes()),
        BTreeSet::from(["LONG"])
    );
    assert_eq!(
        canaries.found_in(b"nothing that was ever secret"),
        BTreeSet::new()
    );
}
