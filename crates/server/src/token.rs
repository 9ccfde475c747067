//! API tokens: `ow_`, a letter for the kind, 256 random bits and a checksum. Only the SHA-256 is stored.
//!
//! The checksum lets a scanner for leaked secrets, and this server, tell a token from noise without asking the store.

use std::fmt;

use outwork_domain::principal::PrincipalKind;
use sha2::{Digest, Sha256};

const PREFIX: &str = "ow_";
/// The letter of enrolment tokens, which speak for nobody yet.
const ENROLMENT: char = 'e';
const RANDOM_CHARS: usize = 64;
const CHECKSUM_BYTES: usize = 4;

/// What the store keeps of a token.
pub type TokenHash = [u8; 32];

/// A token in plain text. Prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainToken(String);

impl PlainToken {
    /// The text, to be shown or written once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// A token of that kind from 32 random bytes, and what to store of it.
pub fn new_token(kind: PrincipalKind, random: [u8; 32]) -> (PlainToken, TokenHash) {
    of_letter(letter(kind), random)
}

fn of_letter(letter: char, random: [u8; 32]) -> (PlainToken, TokenHash) {
    let body = format!("{PREFIX}{letter}{}", hex(&random));
    let token = format!("{body}{}", checksum(&body));
    let hash = hash(&token);
    (PlainToken(token), hash)
}

/// An enrolment token from 32 random bytes, and what to store of it.
pub(crate) fn new_enrolment_token(random: [u8; 32]) -> (PlainToken, TokenHash) {
    of_letter(ENROLMENT, random)
}

/// A worker's own token, always the same from the same: the enrolment token that it is exchanged for, the key that the worker made for
/// that, and what the store keeps beside it. Two of the three are nowhere stored.
pub(crate) fn own_worker_token(
    enrolment_token: &str,
    key: &str,
    salt: [u8; 32],
) -> (PlainToken, TokenHash) {
    let mut digest = Sha256::new();
    digest.update(b"outwork worker token\0");
    digest.update(salt);
    digest.update(hash(enrolment_token));
    digest.update(key);
    new_token(PrincipalKind::Worker, digest.finalize().into())
}

/// Whether it looks like an enrolment token, which opens nothing but the enrolment.
pub(crate) fn is_enrolment(token: &str) -> bool {
    token
        .strip_prefix(PREFIX)
        .is_some_and(|rest| rest.starts_with(ENROLMENT))
}

/// SHA-256.
pub(crate) fn hash(text: &str) -> TokenHash {
    Sha256::digest(text.as_bytes()).into()
}

/// The hash under which the store knows `token`; `None` when it is not a token at all.
pub fn parse(token: &str) -> Option<TokenHash> {
    let rest = token.strip_prefix(PREFIX)?;
    let kind = rest.chars().next()?;
    let known = [
        letter(PrincipalKind::User),
        letter(PrincipalKind::Worker),
        letter(PrincipalKind::Integration),
        ENROLMENT,
    ];
    let whole = PREFIX.len() + 1 + RANDOM_CHARS + 2 * CHECKSUM_BYTES;
    if !token.is_ascii() || token.len() != whole || !known.contains(&kind) {
        return None;
    }
    let (body, sum) = token.split_at(whole - 2 * CHECKSUM_BYTES);
    (checksum(body) == sum).then(|| hash(token))
}

fn letter(kind: PrincipalKind) -> char {
    match kind {
        PrincipalKind::User => 'u',
        PrincipalKind::Worker => 'w',
        PrincipalKind::Integration => 'i',
    }
}

fn checksum(body: &str) -> String {
    hex(&hash(body)[..CHECKSUM_BYTES])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let (token, hash) = new_token(PrincipalKind::Worker, [7; 32]);
        assert!(token.reveal().starts_with("ow_w0707"));
        assert_eq!(token.reveal().len(), 76);
        assert_eq!(parse(token.reveal()), Some(hash));
        assert_eq!(format!("{token:?}"), "****");
    }

    #[test]
    fn a_workers_own_token_is_always_the_same_and_needs_all_three() {
        let (enrolment, hash) = new_enrolment_token([3; 32]);
        assert!(is_enrolment(enrolment.reveal()));
        assert_eq!(parse(enrolment.reveal()), Some(hash));
        let own = |enrolment: &str, key: &str, salt| own_worker_token(enrolment, key, salt).0;
        let one = own(enrolment.reveal(), "key", [1; 32]);
        assert!(parse(one.reveal()).is_some() && !is_enrolment(one.reveal()));
        assert_eq!(one, own(enrolment.reveal(), "key", [1; 32]));
        let (other, _) = new_enrolment_token([4; 32]);
        assert_ne!(one, own(other.reveal(), "key", [1; 32]));
        assert_ne!(one, own(enrolment.reveal(), "kez", [1; 32]));
        assert_ne!(one, own(enrolment.reveal(), "key", [2; 32]));
    }

    #[test]
    fn a_wrong_character_is_noticed() {
        let (token, _) = new_token(PrincipalKind::User, [1; 32]);
        let text = token.reveal();
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).expect("ASCII");
            assert_eq!(parse(&other), None, "{other} was taken");
        }
        assert_eq!(parse(""), None);
        assert_eq!(parse(&"ü".repeat(38)), None);
    }
}
