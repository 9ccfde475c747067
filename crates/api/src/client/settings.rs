//! Environments, the model, and who is asking.

use reqwest::{Method, header};

use super::error::ClientError;
use super::http::{Call, Client, IdempotencyKey};
use crate::cache::{Cache, CacheReset, ResetCache};
use crate::credential::{Credential, NewCredential};
use crate::environment::{Environment, EnvironmentPatch, NewEnvironment};
use crate::page::{MAX_LIMIT, Page, PageQuery};
use crate::problem::Code;
use crate::settings::{Me, Model, NewModel};

const ENVIRONMENTS: [&str; 3] = ["api", "v1", "environments"];
const CACHE: [&str; 3] = ["api", "v1", "cache"];
const CREDENTIALS: [&str; 3] = ["api", "v1", "credentials"];
const MODEL: [&str; 3] = ["api", "v1", "model"];
/// How many pages of environments are read: more than anybody has, and no list without an end.
const PAGES: usize = 200;

impl Client {
    /// Who the token belongs to.
    pub async fn me(&self) -> Result<Me, ClientError> {
        let url = self.url(&["api", "v1", "me"], &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// A page of environments.
    pub async fn environments(&self, page: &PageQuery) -> Result<Page<Environment>, ClientError> {
        let PageQuery { limit, cursor } = page;
        let url = self.url(
            &ENVIRONMENTS,
            &[
                ("limit", limit.map(|limit| limit.to_string())),
                ("cursor", cursor.clone()),
            ],
        );
        self.json(Call::new(Method::GET, url)).await
    }

    /// All environments, over as many pages as it takes.
    pub async fn all_environments(&self) -> Result<Vec<Environment>, ClientError> {
        let mut all = Vec::new();
        let mut query = PageQuery {
            limit: Some(MAX_LIMIT),
            cursor: None,
        };
        for _ in 0..PAGES {
            let page = self.environments(&query).await?;
            all.extend(page.items);
            if page.next_cursor.is_none() {
                return Ok(all);
            }
            query.cursor = page.next_cursor;
        }
        Err(self.protocol(200, "its list of environments has no end", None))
    }

    /// Makes an environment. The same key again gives the same one.
    pub async fn create_environment(
        &self,
        environment: &NewEnvironment,
        key: &IdempotencyKey,
    ) -> Result<Environment, ClientError> {
        let url = self.url(&ENVIRONMENTS, &[]);
        self.json(Call::new(Method::POST, url).json(environment).key(key))
            .await
    }

    /// One environment by its id.
    pub async fn environment(&self, id: &str) -> Result<Environment, ClientError> {
        let url = self.url(&[&ENVIRONMENTS[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Edits an environment; with `revision`, only if nobody else did meanwhile.
    pub async fn update_environment(
        &self,
        id: &str,
        patch: &EnvironmentPatch,
        revision: Option<i64>,
    ) -> Result<Environment, ClientError> {
        let url = self.url(&[&ENVIRONMENTS[..], &[id]].concat(), &[]);
        let mut call = Call::new(Method::PATCH, url).json(patch);
        if let Some(revision) = revision {
            call = call.header(header::IF_MATCH, &format!("\"{revision}\""));
        }
        self.json(call).await
    }

    /// Removes an environment.
    pub async fn delete_environment(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&ENVIRONMENTS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// The model that agents use; `None` when none is set.
    pub async fn model(&self) -> Result<Option<Model>, ClientError> {
        let url = self.url(&MODEL, &[]);
        match self.json(Call::new(Method::GET, url)).await {
            Err(ClientError::Problem(problem)) if problem.is(Code::NotFound) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Sets the model.
    pub async fn set_model(&self, model: &NewModel) -> Result<Model, ClientError> {
        let url = self.url(&MODEL, &[]);
        self.json(Call::new(Method::PUT, url).json(model)).await
    }

    /// Unsets the model and forgets its key.
    pub async fn delete_model(&self) -> Result<(), ClientError> {
        let url = self.url(&MODEL, &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// The cached snapshots, of one environment (id or label) or all.
    pub async fn cache(&self, environment: Option<&str>) -> Result<Cache, ClientError> {
        let query = [("environment", environment.map(str::to_owned))];
        let url = self.url(&CACHE, &query);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Resets cached snapshots: the next task of each environment builds its own.
    pub async fn reset_cache(&self, reset: &ResetCache) -> Result<CacheReset, ClientError> {
        let url = self.url(&[&CACHE[..], &["reset"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(reset)).await
    }

    /// The credentials for repositories, without their secrets.
    pub async fn credentials(&self) -> Result<Page<Credential>, ClientError> {
        let url = self.url(&CREDENTIALS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Stores a credential; one of the same scope and kind is replaced.
    pub async fn set_credential(
        &self,
        credential: &NewCredential,
    ) -> Result<Credential, ClientError> {
        let url = self.url(&CREDENTIALS, &[]);
        self.json(Call::new(Method::PUT, url).json(credential))
            .await
    }

    /// Removes a credential by its id.
    pub async fn delete_credential(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&CREDENTIALS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }
}
