//! Webhooks and their deliveries.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::page::{Page, PageQuery};
use crate::time::Time;
use crate::webhook::{
    MadeWebhook, NewWebhook, ReplayRequest, Replayed, Webhook, WebhookChange, WebhookDelivery,
};

const WEBHOOKS: [&str; 3] = ["api", "v1", "webhooks"];

impl Client {
    /// The webhooks of the workspace, oldest first.
    pub async fn webhooks(&self) -> Result<Page<Webhook>, ClientError> {
        let url = self.url(&WEBHOOKS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// A webhook.
    pub async fn webhook(&self, id: &str) -> Result<Webhook, ClientError> {
        let url = self.url(&[&WEBHOOKS[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Makes a webhook.
    pub async fn add_webhook(&self, new: &NewWebhook) -> Result<MadeWebhook, ClientError> {
        let url = self.url(&WEBHOOKS, &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// Changes a webhook.
    pub async fn change_webhook(
        &self,
        id: &str,
        change: &WebhookChange,
    ) -> Result<Webhook, ClientError> {
        let url = self.url(&[&WEBHOOKS[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::PATCH, url).json(change)).await
    }

    /// Removes a webhook.
    pub async fn remove_webhook(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&WEBHOOKS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// Gives a webhook another secret.
    pub async fn rotate_webhook(&self, id: &str) -> Result<MadeWebhook, ClientError> {
        let url = self.url(&[&WEBHOOKS[..], &[id, "rotate"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).once()).await
    }

    /// Tells a webhook something that did not happen.
    pub async fn test_webhook(&self, id: &str) -> Result<WebhookDelivery, ClientError> {
        let url = self.url(&[&WEBHOOKS[..], &[id, "test"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).once()).await
    }

    /// What a webhook was told or is to be told, newest first.
    pub async fn webhook_deliveries(
        &self,
        id: &str,
        page: &PageQuery,
    ) -> Result<Page<WebhookDelivery>, ClientError> {
        let query = [
            ("limit", page.limit.map(|limit| limit.to_string())),
            ("cursor", page.cursor.clone()),
        ];
        let url = self.url(&[&WEBHOOKS[..], &[id, "deliveries"]].concat(), &query);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Makes a delivery again.
    pub async fn replay_webhook_delivery(
        &self,
        id: &str,
        job: &str,
    ) -> Result<WebhookDelivery, ClientError> {
        let path = [&WEBHOOKS[..], &[id, "deliveries", job, "replay"]].concat();
        let url = self.url(&path, &[]);
        self.json(Call::new(Method::POST, url).once()).await
    }

    /// Makes deliveries again that were made since then.
    pub async fn replay_webhook_deliveries(
        &self,
        id: &str,
        since: Time,
        delivered: bool,
    ) -> Result<Replayed, ClientError> {
        let url = self.url(&[&WEBHOOKS[..], &[id, "replay"]].concat(), &[]);
        let request = ReplayRequest { since, delivered };
        self.json(Call::new(Method::POST, url).json(&request).once())
            .await
    }
}
