//! Integrations, their deliveries, and who is known there.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::integration::{
    AppForm, Delivery, Integration, IntegrationChange, Link, NewApp, NewIntegration, NewLink,
};
use crate::page::{Page, PageQuery};

const INTEGRATIONS: [&str; 3] = ["api", "v1", "integrations"];

impl Client {
    /// The integrations of the workspace, by name.
    pub async fn integrations(&self) -> Result<Page<Integration>, ClientError> {
        let url = self.url(&INTEGRATIONS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Adds an integration.
    pub async fn add_integration(&self, new: &NewIntegration) -> Result<Integration, ClientError> {
        let url = self.url(&INTEGRATIONS, &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// The form that makes a GitHub App, and the integration of it.
    pub async fn begin_app(&self, new: &NewApp) -> Result<AppForm, ClientError> {
        let url = self.url(&[&INTEGRATIONS[..], &["github-app"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// Changes an integration.
    pub async fn change_integration(
        &self,
        id: &str,
        change: &IntegrationChange,
    ) -> Result<Integration, ClientError> {
        let url = self.url(&[&INTEGRATIONS[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::PATCH, url).json(change)).await
    }

    /// Removes an integration.
    pub async fn remove_integration(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&INTEGRATIONS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// What came in (`in`) or went out (`out`), newest first.
    pub async fn deliveries(
        &self,
        integration: &str,
        direction: &str,
        page: &PageQuery,
    ) -> Result<Page<Delivery>, ClientError> {
        let PageQuery { limit, cursor } = page;
        let url = self.url(
            &[&INTEGRATIONS[..], &[integration, "deliveries"]].concat(),
            &[
                ("direction", Some(direction.to_owned())),
                ("limit", limit.map(|limit| limit.to_string())),
                ("cursor", cursor.clone()),
            ],
        );
        self.json(Call::new(Method::GET, url)).await
    }

    /// Does an ended delivery once more.
    pub async fn replay_delivery(
        &self,
        integration: &str,
        delivery: &str,
    ) -> Result<Delivery, ClientError> {
        let path = [
            &INTEGRATIONS[..],
            &[integration, "deliveries", delivery, "replay"],
        ]
        .concat();
        self.json(Call::new(Method::POST, self.url(&path, &[])).once())
            .await
    }

    /// Who is known to be which member.
    pub async fn linked_users(&self, integration: &str) -> Result<Page<Link>, ClientError> {
        let url = self.url(&[&INTEGRATIONS[..], &[integration, "users"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Says which member somebody is.
    pub async fn link_user(&self, integration: &str, new: &NewLink) -> Result<Link, ClientError> {
        let url = self.url(&[&INTEGRATIONS[..], &[integration, "users"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new)).await
    }

    /// Forgets which member somebody is.
    pub async fn unlink_user(
        &self,
        integration: &str,
        external_id: &str,
    ) -> Result<(), ClientError> {
        let path = [&INTEGRATIONS[..], &[integration, "users", external_id]].concat();
        self.send(Call::new(Method::DELETE, self.url(&path, &[])))
            .await
            .map(drop)
    }
}
