//! The interfaces of the repositories' servers, as far as a pull request needs them.

mod gitea;
mod github;
mod gitlab;
pub(crate) mod http;

use outwork_api::credential::ForgeKind;
use serde_json::Value;

use super::access::ForgeAddress;
use super::trouble::{Trouble, may_not};
use crate::plane::Plane;
use http::{Act, Answer, Api};

const OPENING: Act = Act {
    credential: "the credential for publishing",
    doing: "open pull requests",
    what: "the pull request",
    refused: "The branch is pushed; change what it says with `--base`, `--title`, `--body` or without `--draft`, and publish again.",
    may_not,
};

/// A pull request that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) number: u64,
    /// Where people look at it.
    pub(super) url: String,
    /// `open` or `draft`.
    pub(super) state: String,
    pub(super) title: String,
    pub(super) body: String,
}

/// A pull request to be opened.
#[derive(Clone, Debug)]
pub(super) struct NewPull {
    pub(super) branch: String,
    pub(super) base: String,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) draft: bool,
}

/// What is changed of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub(super) body: Option<String>,
    pub(super) title: Option<String>,
}

/// What differs between the servers: paths, names of fields, and how they say that there is one already. The rest is [`Api`].
pub(super) trait Interface: Sync {
    /// The open pull request of the branch, within the repository itself.
    fn find(
        &self,
        api: &Api<'_>,
        branch: &str,
    ) -> impl Future<Output = Result<Option<Opened>, Trouble>> + Send;
    /// Opens one; `None` if the branch has one.
    fn open(
        &self,
        api: &Api<'_>,
        new: &NewPull,
    ) -> impl Future<Output = Result<Option<Opened>, Trouble>> + Send;
    fn update(
        &self,
        api: &Api<'_>,
        opened: &Opened,
        change: &Change,
    ) -> impl Future<Output = Result<Opened, Trouble>> + Send;
    fn default_branch(&self, api: &Api<'_>)
    -> impl Future<Output = Result<String, Trouble>> + Send;
}

/// The server of one repository.
pub(super) struct Forge<'a> {
    api: Api<'a>,
    kind: Kind,
}

enum Kind {
    GitHub(github::GitHub),
    GitLab(gitlab::GitLab),
    Gitea(gitea::Gitea),
}

/// Its interface, if the repository's path can be one of its.
pub(super) fn forge<'a>(
    plane: &'a Plane,
    address: &'a ForgeAddress,
    host: &'a str,
) -> Result<Forge<'a>, Trouble> {
    let odd = || {
        Trouble::last(
            "repository",
            format!(
                "`{}` is no repository there: it would be `OWNER/NAME`.",
                address.path
            ),
            "Correct the environment's address with `outwork env edit`, or the credential's `--forge`.",
        )
    };
    let pair = || {
        address
            .path
            .split_once('/')
            .filter(|(_, name)| !name.contains('/'))
    };
    let (name, kind) = match address.kind {
        ForgeKind::Github => {
            let (owner, name) = pair().ok_or_else(odd)?;
            ("GitHub", Kind::GitHub(github::GitHub::new(owner, name)))
        }
        ForgeKind::Gitlab => ("GitLab", Kind::GitLab(gitlab::GitLab::new(&address.path))),
        ForgeKind::Gitea => {
            let (owner, name) = pair().ok_or_else(odd)?;
            ("Gitea", Kind::Gitea(gitea::Gitea::new(owner, name)))
        }
        ForgeKind::None => return Err(odd()),
    };
    let client = plane.git_gateway.client_for_forges();
    let client = client.ok_or_else(|| {
        Trouble::passing("The server's HTTP client cannot be set up; its log says why.")
    })?;
    Ok(Forge {
        api: Api::new(plane, client, address, name, host, OPENING),
        kind,
    })
}

macro_rules! each {
    ($self:ident, $interface:ident => $call:expr) => {
        match &$self.kind {
            Kind::GitHub($interface) => $call.await,
            Kind::GitLab($interface) => $call.await,
            Kind::Gitea($interface) => $call.await,
        }
    };
}

impl Forge<'_> {
    pub(super) async fn find(&self, branch: &str) -> Result<Option<Opened>, Trouble> {
        each!(self, it => it.find(&self.api, branch))
    }

    pub(super) async fn open(&self, new: &NewPull) -> Result<Option<Opened>, Trouble> {
        each!(self, it => it.open(&self.api, new))
    }

    pub(super) async fn update(&self, opened: &Opened, change: &Change) -> Result<Opened, Trouble> {
        each!(self, it => it.update(&self.api, opened, change))
    }

    pub(super) async fn default_branch(&self) -> Result<String, Trouble> {
        each!(self, it => it.default_branch(&self.api))
    }
}

/// A field of an answer that is text.
fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

/// The branch that is the repository's own.
fn default_branch(api: &Api<'_>, answer: Answer) -> Result<String, Trouble> {
    let value = api.done(answer)?;
    let name = text(&value, "default_branch").map(str::to_owned);
    name.ok_or_else(|| api.odd("the repository's default branch"))
}
