//! The processes beside the clients: this program again, in another role.

use anyhow::Result;

use super::{inside, origin};

/// The first argument.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Origin,
    Client,
}

impl Role {
    pub(crate) fn of(argument: &str) -> Option<Self> {
        [Self::Origin, Self::Client]
            .into_iter()
            .find(|role| role.argument() == argument)
    }

    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Origin => "egress-origin",
            Self::Client => "egress-client",
        }
    }
}

/// Plays it until it is killed, or the client until it is done.
pub(crate) fn run(role: Role, arguments: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match role {
            Role::Origin => origin::serve(arguments).await,
            Role::Client => inside::client(arguments).await,
        }
    })
}
