//! Git's way to name content, without starting git.

use crate::names::ObjectId;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::io::{self, Read};

enum Hash {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hash {
    fn new(sha256: bool) -> Self {
        if sha256 {
            Self::Sha256(Sha256::new())
        } else {
            Self::Sha1(Sha1::new())
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
        }
    }
}

/// The id of a file's content, none if it has not `size_bytes`.
///
/// Unlike git's own this does not look for contents made to collide; who can commit one such file can commit the other.
pub(crate) fn blob_id(
    sha256: bool,
    size_bytes: u64,
    content: impl Read,
) -> io::Result<Option<ObjectId>> {
    let mut hash = Hash::new(sha256);
    hash.update(format!("blob {size_bytes}\0").as_bytes());
    let mut content = content.take(size_bytes.saturating_add(1));
    let mut buffer = vec![0; 64 * 1024];
    let mut seen = 0;
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            count => {
                hash.update(&buffer[..count]);
                seen += count as u64;
            }
        }
    }
    Ok((seen == size_bytes).then(|| ObjectId::from_bytes(&hash.finish())))
}

/// The checksum with which an index file ends.
pub(crate) fn checksum(sha256: bool, content: &[u8]) -> Vec<u8> {
    let mut hash = Hash::new(sha256);
    hash.update(content);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_named_as_git_does() {
        let id = |sha256, text: &str, size| {
            blob_id(sha256, size, text.as_bytes())
                .expect("reads")
                .map(|id| id.to_string())
        };
        // From `git hash-object --stdin`.
        assert_eq!(
            id(false, "x\n", 2).as_deref(),
            Some("587be6b4c3f93f93c489c0111bba5596147a26cb")
        );
        assert_eq!(
            id(true, "", 0).as_deref(),
            Some("473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813")
        );
        assert_eq!((id(false, "x\n", 1), id(false, "x\n", 3)), (None, None));
    }
}
