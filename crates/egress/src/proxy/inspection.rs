//! What a proxy needs to end TLS: an authority towards clients, and trust towards servers.

use std::sync::Arc;

use rustls::ClientConfig;

use super::StartError;
use super::authority::Authority;
use super::server::{Roots, client_config};

#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) authority: Authority,
    pub(super) servers: Arc<ClientConfig>,
}

impl Inspection {
    pub(super) fn new(roots: &Roots) -> Result<Self, StartError> {
        Ok(Self {
            authority: Authority::new().map_err(|error| StartError::Authority(Box::new(error)))?,
            servers: client_config(roots)?,
        })
    }
}
