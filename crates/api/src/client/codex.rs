//! Logins for the stock client.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::codex::{CodexLogin, DeviceApproval};

const CODEX_LOGINS: [&str; 3] = ["api", "v1", "codex-logins"];

impl Client {
    /// Makes a login for the stock client, with a token of its own.
    pub async fn codex_login(&self) -> Result<CodexLogin, ClientError> {
        let url = self.url(&CODEX_LOGINS, &[]);
        self.json(Call::new(Method::POST, url).once()).await
    }

    /// Ends the login with that access token, whoever asks.
    pub async fn revoke_codex_login(&self, access_token: &str) -> Result<(), ClientError> {
        let url = self.url(&["oauth", "revoke"], &[]);
        let body = serde_json::json!({"token": access_token});
        self.send(Call::new(Method::POST, url).json(&body))
            .await
            .map(drop)
    }

    /// Ends all logins of the stock client that are of whoever asks.
    pub async fn revoke_codex_logins(&self) -> Result<(), ClientError> {
        let url = self.url(&CODEX_LOGINS, &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// Signs in the client that shows that code.
    pub async fn approve_device(&self, approval: &DeviceApproval) -> Result<(), ClientError> {
        let url = self.url(&[&CODEX_LOGINS[..], &["approve"]].concat(), &[]);
        self.send(Call::new(Method::POST, url).json(approval).once())
            .await
            .map(drop)
    }
}
