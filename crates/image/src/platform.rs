//! For which machines an image is.

use std::fmt;

use serde::Deserialize;

/// An operating system and a processor, by the names that images use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `v7`; what a processor needs beside its family.
    #[serde(default, deserialize_with = "none_if_empty")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on the processor that this program was built for.
    pub fn of_this_machine() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// How well an image for `offered` runs here, best first; `None` if not at all.
    pub(crate) fn rank(&self, offered: &Self) -> Option<u32> {
        if (&self.os, &self.architecture) != (&offered.os, &offered.architecture) {
            return None;
        }
        match offered.variant.as_deref() {
            variant if variant == self.variant.as_deref() => Some(0),
            // What every processor of the family has.
            None | Some("v1" | "v8") => Some(1),
            Some(_) => Some(2),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{variant}"))
    }
}

fn none_if_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plainest_image_for_the_processor_is_best() {
        let platform = |architecture: &str, variant: Option<&str>| Platform {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: variant.map(str::to_owned),
        };
        let here = platform("amd64", None);
        let offered = [
            platform("arm64", None),
            platform("amd64", Some("v3")),
            platform("amd64", Some("v1")),
            platform("amd64", None),
        ];
        let ranks: Vec<_> = offered.iter().map(|other| here.rank(other)).collect();
        assert_eq!(ranks, [None, Some(2), Some(1), Some(0)]);
        assert_eq!(offered[1].to_string(), "linux/amd64/v3");
    }
}
