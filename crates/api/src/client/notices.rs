//! Notifications.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::notice::Notifications;

impl Client {
    /// What one wants to be told oneself; of an environment, what all are told.
    pub async fn notifications(
        &self,
        environment: Option<&str>,
    ) -> Result<Notifications, ClientError> {
        let url = self.url(&path(environment), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Sets that.
    pub async fn set_notifications(
        &self,
        environment: Option<&str>,
        wanted: &Notifications,
    ) -> Result<Notifications, ClientError> {
        let url = self.url(&path(environment), &[]);
        self.json(Call::new(Method::PUT, url).json(wanted)).await
    }
}

fn path(environment: Option<&str>) -> Vec<&str> {
    match environment {
        Some(id) => vec!["api", "v1", "environments", id, "notifications"],
        None => vec!["api", "v1", "me", "notifications"],
    }
}
