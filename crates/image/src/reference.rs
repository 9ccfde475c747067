//! What a user may write for an image.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::{Digest, InvalidDigest};

/// Longer texts are nothing that anybody means.
const REFERENCE_BYTES: usize = 1024;
/// Of a repository's name, as registries have it.
const NAME_BYTES: usize = 255;
const TAG_BYTES: usize = 128;

/// Names an image. Printed as it can be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageRef {
    /// `debian:12`, `ghcr.example/team/img@sha256:…`: in a registry.
    Registry(RegistryRef),
    /// `oci:/path[:tag]`: a directory in the OCI layout.
    OciLayout {
        /// Absolute.
        path: PathBuf,
        /// Which of several images.
        tag: Option<String>,
    },
    /// `oci-archive:/path/x.tar[:tag]`: a tar archive of such a directory.
    OciArchive {
        /// Absolute.
        path: PathBuf,
        /// Which of several images.
        tag: Option<String>,
    },
    /// `docker-archive:/path/x.tar`: what `docker save` writes.
    DockerArchive {
        /// Absolute.
        path: PathBuf,
    },
    /// `/path/x.tar`: one of the three before; looking at it tells.
    Path {
        /// Absolute.
        path: PathBuf,
    },
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryRef {
    /// `host` or `host:port`; the worker's default registry if `None`.
    pub(crate) host: Option<String>,
    /// `team/img`.
    pub(crate) name: String,
    /// `latest` if neither this nor a digest is given.
    pub(crate) tag: Option<String>,
    /// Wins over the tag.
    pub(crate) digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Nothing, or far too much.
    #[error("an image reference has 1 to {REFERENCE_BYTES} characters")]
    Length,
    /// A line break, an escape, or the like.
    #[error("an image reference has no control characters")]
    Control,
    /// It is a URL.
    #[error("write the image without `{scheme}://`, as in `registry.example/team/image:tag`")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// A file that is not named by an absolute path.
    #[error("write the absolute path of the image, as in `oci-archive:/images/tools.tar`")]
    RelativePath,
    /// A host that cannot be one.
    #[error("`{host}` is not the name of a registry; write `host` or `host:port`")]
    Host {
        /// As written.
        host: String,
    },
    /// A name that no registry takes.
    #[error(
        "`{name}` is not the name of an image: it must be lower-case letters and digits, parted by one of `/`, `.`, `_`, `__` or `-`"
    )]
    Name {
        /// As written.
        name: String,
    },
    /// A tag that no registry takes.
    #[error("`{tag}` is not a tag: it must be 1 to 128 letters, digits, `_`, `.` and `-`")]
    Tag {
        /// As written.
        tag: String,
    },
    /// A digest of another form or kind.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl ImageRef {
    /// Reads a reference as a user writes it; white space around it is dropped.
    ///
    /// # Errors
    /// The text names no image; the error says what to write.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let text = text.trim();
        if text.is_empty() || text.len() > REFERENCE_BYTES {
            return Err(InvalidReference::Length);
        }
        // The path of a file could hold them, and is shown.
        if text.chars().any(char::is_control) {
            return Err(InvalidReference::Control);
        }
        if text.starts_with('/') {
            return Ok(Self::Path { path: path(text)? });
        }
        match text.split_once(':') {
            Some((scheme, rest)) if rest.starts_with("//") => Err(InvalidReference::Scheme {
                scheme: scheme.to_owned(),
            }),
            Some(("oci", rest)) if is_path(rest) => {
                let (path, tag) = path_and_tag(rest)?;
                Ok(Self::OciLayout { path, tag })
            }
            Some(("oci-archive", rest)) => {
                let (path, tag) = path_and_tag(rest)?;
                Ok(Self::OciArchive { path, tag })
            }
            Some(("docker-archive", rest)) => Ok(Self::DockerArchive { path: path(rest)? }),
            _ => RegistryRef::parse(text).map(Self::Registry),
        }
    }

    /// The same image, whatever its tag will name later. Of use where a tag's digest is known: such
    /// an image needs no registry if it is stored. Of files, only the content says what they hold.
    pub fn with_digest(&self, digest: Digest) -> Self {
        match self {
            Self::Registry(reference) => Self::Registry(RegistryRef {
                digest: Some(digest),
                ..reference.clone()
            }),
            Self::OciLayout { .. }
            | Self::OciArchive { .. }
            | Self::DockerArchive { .. }
            | Self::Path { .. } => self.clone(),
        }
    }

    /// The digest, if one is written. Of files, only their content says it.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Registry(reference) => reference.digest,
            Self::OciLayout { .. }
            | Self::OciArchive { .. }
            | Self::DockerArchive { .. }
            | Self::Path { .. } => None,
        }
    }

    /// The registry's `host` or `host:port` if one is written; for choosing a credential.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.host.as_deref(),
            Self::OciLayout { .. }
            | Self::OciArchive { .. }
            | Self::DockerArchive { .. }
            | Self::Path { .. } => None,
        }
    }
}

impl FromStr for ImageRef {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        Self::parse(text)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut file = |scheme: &str, path: &Path, tag: &Option<String>| {
            write!(f, "{scheme}{}", path.display())?;
            tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
        };
        match self {
            Self::Registry(reference) => fmt::Display::fmt(reference, f),
            Self::OciLayout { path, tag } => file("oci:", path, tag),
            Self::OciArchive { path, tag } => file("oci-archive:", path, tag),
            Self::DockerArchive { path } => file("docker-archive:", path, &None),
            Self::Path { path } => file("", path, &None),
        }
    }
}

impl RegistryRef {
    fn parse(text: &str) -> Result<Self, InvalidReference> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest.parse()?)),
            None => (text, None),
        };
        let (text, tag) = match text.rsplit_once(':') {
            // Otherwise it is the port of a host.
            Some((text, tag)) if !tag.contains('/') => (text, Some(tag)),
            _ => (text, None),
        };
        let (host, name) = match text.split_once('/') {
            Some((host, name)) if is_host(host) => (Some(host), name),
            _ => (None, text),
        };
        if let Some(host) = host {
            check_host(host)?;
        }
        check_name(name)?;
        tag.map_or(Ok(()), check_tag)?;
        Ok(Self {
            host: host.map(one_spelling),
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// What a registry is asked for: a digest or a tag.
    pub(crate) fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for RegistryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.'])
}

fn path(text: &str) -> Result<PathBuf, InvalidReference> {
    if text.starts_with('/') && !text.contains('\0') {
        Ok(PathBuf::from(text))
    } else {
        Err(InvalidReference::RelativePath)
    }
}

fn path_and_tag(text: &str) -> Result<(PathBuf, Option<String>), InvalidReference> {
    match text.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => {
            check_tag(tag)?;
            Ok((path(before)?, Some(tag.to_owned())))
        }
        _ => Ok((path(text)?, None)),
    }
}

/// In small letters, unless a capital is all that tells it from the first part of a name: in small letters that would be another image.
fn one_spelling(host: &str) -> String {
    let small = host.to_ascii_lowercase();
    match is_host(&small) {
        true => small,
        false => host.to_owned(),
    }
}

/// The rule by which everybody tells `host/image` from `team/image`.
fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Refuses what could be taken for another part of a URL.
pub(crate) fn check_host(host: &str) -> Result<(), InvalidReference> {
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, port)) => (
            address,
            port.strip_prefix(':').or(port.is_empty().then_some("443")),
        ),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("443")),
        },
    };
    let is_name = if host.starts_with('[') {
        name.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if is_name && host.len() <= NAME_BYTES && port.is_some_and(is_port) {
        Ok(())
    } else {
        Err(InvalidReference::Host {
            host: host.to_owned(),
        })
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), InvalidReference> {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_component = |component: &str| {
        let bytes = component.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        let mut separators = component
            .split(|char: char| char.is_ascii() && is_alphanumeric(char as u8))
            .filter(|separator| !separator.is_empty());
        ends.iter()
            .all(|end| end.is_some_and(|byte| is_alphanumeric(*byte)))
            && separators.all(|separator| {
                matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
            })
    };
    if name.len() <= NAME_BYTES && name.split('/').all(is_component) {
        Ok(())
    } else {
        Err(InvalidReference::Name {
            name: name.to_owned(),
        })
    }
}

fn check_tag(tag: &str) -> Result<(), InvalidReference> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_tag = tag.len() <= TAG_BYTES
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'));
    if is_tag {
        Ok(())
    } else {
        Err(InvalidReference::Tag {
            tag: tag.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
