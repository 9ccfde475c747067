//! How a forge is asked, and with what.

use outwork_api::Secret;
use outwork_api::credential::ForgeKind;
use outwork_api::integration::ForgeSettings;
use outwork_domain::IntegrationId;
use outwork_forges::Kind;
use outwork_forges::call::{Call, Verb};
use reqwest::Method;
use serde_json::Value;

use super::Stop;
use super::settings::{api_url, host};
use super::tokens::token;
use crate::plane::Plane;
use crate::publish::{Act, Answer, Api, ForgeAddress, Trouble};
use crate::surfaces::settings::Known;

const ACT: Act = Act {
    credential: "the integration's credential",
    doing: "do that",
    what: "that",
    refused: "",
    may_not,
};

fn may_not(_host: &str) -> String {
    "Give the integration a token with the rights that its documentation lists: `outwork integration edit`.".to_owned()
}

/// The interface of a forge, as it is asked about one repository.
pub(super) struct Forge<'a> {
    plane: &'a Plane,
    kind: Kind,
    address: ForgeAddress,
    host: String,
    /// The integration, if its token is one of an installation, which may end early.
    of_app: Option<IntegrationId>,
}

/// What an integration is asked with.
pub(super) async fn forge<'a>(
    plane: &'a Plane,
    kind: Kind,
    known: &Known,
    settings: &ForgeSettings,
    repository: &str,
    installation: Option<u64>,
) -> Result<Forge<'a>, Stop> {
    let id = known.integration.id;
    let token = token(plane, kind, id, settings, repository, installation).await?;
    let mut forge = with(plane, kind, settings, repository, token);
    forge.of_app = settings.token.is_none().then_some(id);
    Ok(forge)
}

pub(super) fn with<'a>(
    plane: &'a Plane,
    kind: Kind,
    settings: &ForgeSettings,
    repository: &str,
    token: Secret,
) -> Forge<'a> {
    let address = ForgeAddress {
        kind: match kind {
            Kind::GitHub => ForgeKind::Github,
            Kind::GitLab => ForgeKind::Gitlab,
            Kind::Gitea => ForgeKind::Gitea,
        },
        api_url: api_url(kind, settings),
        path: repository.to_owned(),
        token,
    };
    Forge {
        plane,
        kind,
        address,
        host: host(kind, settings),
        of_app: None,
    }
}

impl Forge<'_> {
    /// What it answers, whatever that is.
    pub(super) async fn answer(&self, call: &Call) -> Result<Answer, Trouble> {
        let Call {
            verb,
            path,
            query,
            body,
        } = call;
        let method = match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Put => Method::PUT,
        };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query: Vec<(&str, &str)> = query
            .iter()
            .map(|(name, it)| (*name, it.as_str()))
            .collect();
        let api = self.api()?;
        let scheme = self.kind.scheme();
        let answer = api
            .ask(method, &path, &query, body.as_ref(), scheme)
            .await?;
        match self.of_app {
            Some(integration) if answer.status.as_u16() == 401 => {
                let tokens = &self.plane.forge_tokens;
                tokens.forget(integration, &self.address.path);
                Err(Trouble::passing(
                    "GitHub does not take the installation's token any more; another one is asked for.",
                ))
            }
            Some(_) | None => Ok(answer),
        }
    }

    /// What it answers if it does it.
    pub(super) async fn ask(&self, call: &Call) -> Result<Value, Trouble> {
        let answer = self.answer(call).await?;
        self.api()?.done(answer)
    }

    /// What an answer means that says that it was not done.
    pub(super) fn refused(&self, answer: &Answer) -> Trouble {
        match self.api() {
            Ok(api) => api.refused(answer),
            Err(trouble) => trouble,
        }
    }

    /// It answered, and not what its documentation says.
    pub(super) fn odd(&self, what: &str) -> Trouble {
        match self.api() {
            Ok(api) => api.odd(what),
            Err(trouble) => trouble,
        }
    }

    fn api(&self) -> Result<Api<'_>, Trouble> {
        let client = self.plane.git_gateway.client_for_forges();
        let client = client.ok_or_else(|| {
            Trouble::passing("The server's HTTP client cannot be set up; its log says why.")
        })?;
        let name = self.kind.name();
        Ok(Api::new(
            self.plane,
            client,
            &self.address,
            name,
            &self.host,
            ACT,
        ))
    }
}
