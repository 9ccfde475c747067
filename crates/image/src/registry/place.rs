//! Where a reference leads.

use std::net::IpAddr;

use super::{HttpConfigError, RegistryError};
use crate::config::ImageStoreConfig;
use crate::reference::{RegistryRef, check_host, check_name};

/// A repository of a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `host` or `host:port`.
    pub(super) authority: String,
    pub(super) name: String,
}

impl Place {
    pub(super) fn of(
        reference: &RegistryRef,
        config: &ImageStoreConfig,
    ) -> Result<Self, RegistryError> {
        let RegistryRef { host, name, .. } = reference;
        let Some(host) = host else {
            let Some(default) = &config.default_registry else {
                return Err(RegistryError::NoDefault { name: name.clone() });
            };
            // As everybody has it: what has one name only is one of the registry's own images.
            let name = match name.contains('/') {
                true => name.clone(),
                false => format!("library/{name}"),
            };
            return Ok(Self::below(default, &name));
        };
        Ok(match config.mirrors.get(host) {
            Some(mirror) => Self::below(mirror, name),
            None => Self::below(host, name),
        })
    }

    /// `host[:port][/prefix]` as an operator writes it.
    pub(super) fn check_configured(text: &str) -> Result<(), HttpConfigError> {
        let Self { authority, name } = Self::below(text, "x");
        if check_host(&authority).is_ok() && check_name(&name).is_ok() {
            Ok(())
        } else {
            Err(HttpConfigError::Registry {
                text: text.to_owned(),
            })
        }
    }

    fn below(registry: &str, name: &str) -> Self {
        let (authority, name) = match registry.split_once('/') {
            Some((authority, prefix)) => (authority, format!("{prefix}/{name}")),
            None => (registry, name.to_owned()),
        };
        Self {
            authority: authority.to_owned(),
            name,
        }
    }
}

/// Whether it is this machine by its name.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LayerOwner;
    use crate::reference::ImageRef;

    fn place(config: &ImageStoreConfig, text: &str) -> String {
        let ImageRef::Registry(reference) = ImageRef::parse(text).unwrap() else {
            panic!("{text} is not in a registry")
        };
        match Place::of(&reference, config) {
            Ok(Place { authority, name }) => format!("{authority} {name}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn references_lead_to_registries() {
        let mut config = ImageStoreConfig::new("/x".into(), LayerOwner::User, 0);
        assert_eq!(
            place(&config, "debian:12"),
            "`debian` has no registry; write its host, as in `registry.example/debian`, or start the worker with `--default-registry`"
        );
        config.default_registry = Some("hub.example".into());
        config.mirrors = [("far.example".into(), "near.example:5000/far".into())].into();
        assert_eq!(place(&config, "debian:12"), "hub.example library/debian");
        assert_eq!(place(&config, "team/img"), "hub.example team/img");
        assert_eq!(place(&config, "ghcr.example/img"), "ghcr.example img");
        assert_eq!(
            place(&config, "far.example/a/b"),
            "near.example:5000 far/a/b"
        );
        config.default_registry = Some("cache.example:1/hub".into());
        assert_eq!(
            place(&config, "debian"),
            "cache.example:1 hub/library/debian"
        );
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for local in [
            "localhost",
            "localhost:1",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
            "[::1]",
        ] {
            assert!(is_loopback(local), "{local}");
        }
        for other in [
            "localhost.example",
            "10.0.0.1",
            "128.0.0.1:1",
            "[::2]",
            "127.0.0.1.example",
            "",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
