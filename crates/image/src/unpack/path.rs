//! Paths inside a layer.

use super::UnpackError;
use crate::limits::Limits;
use crate::text::shown_path;

/// A path below the top of a layer: no `..`, no `.`, no empty part, no slash at the ends. The top itself is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LayerPath(Vec<u8>);

/// Why an entry of a layer is not unpacked, nor the layer with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `..`.
    #[error("which leads out of its directory")]
    Outside,
    /// A NUL character.
    #[error("which has a NUL character")]
    Nul,
    /// A path or a part of it.
    #[error("which is longer than paths can be")]
    TooLong,
    /// A link as a directory.
    #[error("which is a symbolic link, and something below it")]
    ThroughLink,
    /// A file as a directory.
    #[error("which is no directory, and something below it")]
    BelowFile,
    /// `.wh.`, `.wh...`.
    #[error("which hides nothing that can be")]
    Whiteout,
    /// A link of no target, or of one that is no file of the layer.
    #[error("a hard link to what is no file of the same layer")]
    LinkTarget,
    /// A symbolic link without a target.
    #[error("a symbolic link to nothing")]
    NoTarget,
    /// The top of the layer as something else.
    #[error("which would replace the root directory")]
    Root,
}

impl Refusal {
    pub(crate) fn of(self, path: &[u8]) -> UnpackError {
        UnpackError::Refused {
            path: shown_path(path),
            why: self,
        }
    }
}

/// What an entry is for: layers say what they remove by the names of files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Itself.
    Plain(LayerPath),
    /// Hides what lower layers have at this path.
    Whiteout(LayerPath),
    /// Hides what lower layers have in this directory.
    Opaque(LayerPath),
    /// Of a file system of old; means nothing.
    Nothing,
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const SPECIAL: &[u8] = b".wh..wh.";

impl LayerPath {
    /// An absolute path is one from the top of the layer.
    pub(crate) fn parse(path: &[u8]) -> Result<Self, UnpackError> {
        if path.len() > Limits::PATH_BYTES {
            return Err(Refusal::TooLong.of(path));
        }
        let parts = path.split(|byte| *byte == b'/');
        let parts: Vec<_> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
        for part in &parts {
            if *part == b".." {
                return Err(Refusal::Outside.of(path));
            }
            if part.contains(&0) {
                return Err(Refusal::Nul.of(path));
            }
            if part.len() > Limits::NAME_BYTES {
                return Err(Refusal::TooLong.of(path));
            }
        }
        Ok(Self(parts.join(&b'/')))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory and the name in it; `None` for the top.
    pub(crate) fn split(&self) -> Option<(Self, &[u8])> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (Self(self.0[..at].to_vec()), &self.0[at + 1..]),
            None => (Self::default(), &self.0),
        })
    }

    pub(crate) fn join(&self, name: &[u8]) -> Self {
        match self.is_root() {
            true => Self(name.to_vec()),
            false => Self([&self.0, &b"/"[..], name].concat()),
        }
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
    }

    /// Everything strictly below this path lies between these two, in the order of paths.
    pub(crate) fn below(&self) -> std::ops::Range<Self> {
        let with = |byte: u8| Self([&self.0, &[byte][..]].concat());
        with(b'/')..with(b'/' + 1)
    }

    pub(crate) fn purpose(self) -> Result<Purpose, UnpackError> {
        let Some((parent, name)) = self.split() else {
            return Ok(Purpose::Plain(self));
        };
        if parent.parts().any(|part| part.starts_with(SPECIAL)) {
            return Ok(Purpose::Nothing);
        }
        if parent.parts().any(|part| part.starts_with(WHITEOUT)) {
            return Err(Refusal::Whiteout.of(&self.0));
        }
        if name == OPAQUE {
            return Ok(Purpose::Opaque(parent));
        }
        if name.starts_with(SPECIAL) {
            return Ok(Purpose::Nothing);
        }
        match name.strip_prefix(WHITEOUT) {
            None => Ok(Purpose::Plain(self)),
            Some(b"" | b"." | b"..") => Err(Refusal::Whiteout.of(&self.0)),
            Some(hidden) => Ok(Purpose::Whiteout(parent.join(hidden))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> LayerPath {
        LayerPath(text.as_bytes().to_vec())
    }

    fn purpose(text: &[u8]) -> Result<Purpose, Refusal> {
        let parsed = LayerPath::parse(text).and_then(LayerPath::purpose);
        parsed.map_err(|error| match error {
            UnpackError::Refused { why, .. } => why,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn paths_are_below_the_top() {
        for (text, expected) in [
            ("", ""),
            ("/", ""),
            ("./", ""),
            ("a", "a"),
            ("./a/", "a"),
            ("//a/.//b/./c//", "a/b/c"),
            ("...", "..."),
        ] {
            assert_eq!(
                LayerPath::parse(text.as_bytes()).unwrap(),
                path(expected),
                "{text}"
            );
        }
        assert_eq!(purpose(b"a/../b"), Err(Refusal::Outside));
        assert_eq!(purpose(b".."), Err(Refusal::Outside));
        assert_eq!(purpose(b"a\0b"), Err(Refusal::Nul));
        assert_eq!(purpose(&[b'a'; 256]), Err(Refusal::TooLong));
        assert_eq!(purpose(&b"a/".repeat(2048)), Err(Refusal::TooLong));
    }

    #[test]
    fn names_say_what_a_layer_removes() {
        assert_eq!(purpose(b"a/.wh.b"), Ok(Purpose::Whiteout(path("a/b"))));
        assert_eq!(purpose(b".wh.b"), Ok(Purpose::Whiteout(path("b"))));
        assert_eq!(purpose(b"a/.wh..wh..opq"), Ok(Purpose::Opaque(path("a"))));
        assert_eq!(purpose(b".wh..wh..opq"), Ok(Purpose::Opaque(path(""))));
        assert_eq!(purpose(b".wh..wh.plnk/1.2"), Ok(Purpose::Nothing));
        assert_eq!(purpose(b"a/.wh..wh.aufs"), Ok(Purpose::Nothing));
        assert_eq!(purpose(b"a/b.wh.c"), Ok(Purpose::Plain(path("a/b.wh.c"))));
        for wrong in [&b".wh."[..], b"a/.wh..", b"a/.wh..."] {
            assert_eq!(purpose(wrong), Err(Refusal::Whiteout), "{wrong:?}");
        }
        assert_eq!(purpose(b".wh.a/b"), Err(Refusal::Whiteout));
    }

    #[test]
    fn what_is_below_is_a_range() {
        let below = path("a").below();
        assert!(below.contains(&path("a/b")) && below.contains(&path("a/b/c")));
        assert!(
            !below.contains(&path("a"))
                && !below.contains(&path("a-b"))
                && !below.contains(&path("ab"))
        );
    }
}
