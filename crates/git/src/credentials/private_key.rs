//! A private key of ssh, as a text that ssh will take.

use super::InvalidCredential;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A private key without a passphrase. Prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(String);

impl PrivateKey {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidCredential> {
        let text = text.trim_start_matches('\u{feff}').trim();
        // A key that was put into a variable or a form often has lost its line ends.
        let text = match text.contains('\n') {
            true => text.replace("\r\n", "\n"),
            false => text
                .replace("\\r", "")
                .replace("\\n", "\n")
                .replace('\r', "\n"),
        };
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let first = lines.first().copied().unwrap_or_default();
        let last = lines.last().copied().unwrap_or_default();
        if first.starts_with("PuTTY-User-Key-File") {
            return Err(InvalidCredential::Putty);
        }
        let public = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
        let is_public = public.iter().any(|kind| first.starts_with(kind));
        if is_public || (first.starts_with("----") && first.contains("PUBLIC KEY")) {
            return Err(InvalidCredential::PublicKey);
        }
        let kind = first
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("PRIVATE KEY-----"))
            .ok_or(InvalidCredential::NoPrivateKey)?;
        if last != format!("-----END {kind}PRIVATE KEY-----") || lines.len() < 3 {
            return Err(InvalidCredential::NoPrivateKey);
        }
        let body = &lines[1..lines.len() - 1];
        let is_encrypted = match kind.trim_end() {
            "OPENSSH" => is_encrypted(&body.concat())?,
            "ENCRYPTED" => true,
            _ => body
                .iter()
                .any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED")),
        };
        match is_encrypted {
            true => Err(InvalidCredential::Passphrase),
            false => Ok(Self(lines.join("\n") + "\n")),
        }
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// The name of the cipher is the first thing in it (PROTOCOL.key of OpenSSH).
fn is_encrypted(body: &str) -> Result<bool, InvalidCredential> {
    let bytes = STANDARD
        .decode(body)
        .map_err(|_| InvalidCredential::NoPrivateKey)?;
    let rest = bytes.strip_prefix(MAGIC);
    let cipher = rest.and_then(|rest| {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
    });
    match cipher {
        Some(b"none") => Ok(false),
        Some(_) => Ok(true),
        None => Err(InvalidCredential::NoPrivateKey),
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}
