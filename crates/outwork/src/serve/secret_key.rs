//! The key that seals secrets, credentials and model keys in the store: the data directory's own, made at the first start, or one that is
//! kept elsewhere.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::data_dir::DataDir;
use crate::failure::{Failure, FailureExt, HintExt};
use crate::system;

/// More is no key.
const MOST_BYTES: u64 = 1024;

/// The key of a server, and where it is kept.
pub(super) struct SecretKey {
    pub(super) bytes: [u8; 32],
    pub(super) path: PathBuf,
}

impl SecretKey {
    /// From `file`, or from the data directory, where it is made if there is none.
    pub(super) fn load(data: &DataDir, file: Option<&Path>) -> Result<Self, Failure> {
        let (text, path) = match file {
            Some(file) => (read(file)?, file.to_owned()),
            None => {
                let text = data.secret("secret.key", || hex(&system::random::<32>()))?;
                (text, data.join("secret.key"))
            }
        };
        let bytes = parse(text.trim()).ok_or_else(|| {
            Failure::new(format!("{} is not 64 hexadecimal digits", path.display())).with_hint(
                "Restore it from a backup; without it what is sealed in the store cannot be read. \
                 `openssl rand -hex 32` makes a new key for a new store.",
            )
        })?;
        Ok(Self { bytes, path })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable = format!("the secret key file {shown} cannot be read");
    let mut file = File::open(path)
        .failure(&unreadable)
        .hint("Name the right file with --secret-key-file.")?;
    // Of the open file: what is at the path may be exchanged.
    let mode = file.metadata().failure(&unreadable)?.mode();
    if mode & 0o077 != 0 {
        return Err(Failure::new(format!(
            "others can read the secret key file {shown} (its mode is {:03o})",
            mode & 0o777
        ))
        .with_hint(format!("Make it yours alone: chmod 600 {shown}")));
    }
    let mut text = String::new();
    file.by_ref()
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .failure(unreadable)?;
    Ok(text)
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn load(data: &DataDir, file: Option<&Path>) -> Result<[u8; 32], String> {
        let key = SecretKey::load(data, file);
        key.map(|key| key.bytes).map_err(|failure| failure.report())
    }

    #[test]
    fn a_key_is_made_once_or_read_from_a_file_that_is_the_owners_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(&dir.path().join("data")).expect("free");
        let own = load(&data, None).expect("made");
        assert_eq!(load(&data, None), Ok(own));

        let file = dir.path().join("key");
        fs::write(&file, format!("{}\n", "0F".repeat(32))).expect("a file");
        for mode in [0o604, 0o640, 0o666, 0o620] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).expect("ours");
            let refused = load(&data, Some(&file)).expect_err("others can read it");
            assert!(refused.contains("chmod 600"), "{refused}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).expect("ours");
            assert_eq!(load(&data, Some(&file)), Ok([15; 32]));
        }
        assert_eq!(load(&data, None), Ok(own));

        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("ours");
        for text in [
            "",
            "0f",
            &"0f".repeat(33),
            &"zz".repeat(32),
            &"+f".repeat(32),
        ] {
            fs::write(&file, text).expect("a file");
            let refused = load(&data, Some(&file)).expect_err("no key");
            assert!(refused.contains("64 hexadecimal digits"), "{refused}");
            assert!(text.is_empty() || !refused.contains(text), "{refused}");
        }
        fs::remove_file(&file).expect("there");
        let refused = load(&data, Some(&file)).expect_err("missing");
        assert!(refused.contains("--secret-key-file"), "{refused}");
    }
}
