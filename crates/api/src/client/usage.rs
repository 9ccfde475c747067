//! What was used.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::time::Time;
use crate::usage::{Usage, UsageBy};

/// Which usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Attempts that ended then or later; 30 days ago when left out.
    pub from: Option<Time>,
    /// And before; now when left out.
    pub to: Option<Time>,
    /// By what it is told apart; by day when left out.
    pub by: Option<UsageBy>,
}

impl Client {
    /// What attempts used and cost that ended within a time.
    pub async fn usage(&self, query: &UsageQuery) -> Result<Usage, ClientError> {
        let UsageQuery { from, to, by } = query;
        let url = self.url(
            &["api", "v1", "usage"],
            &[
                ("from", from.map(|from| from.to_string())),
                ("to", to.map(|to| to.to_string())),
                ("by", by.map(|by| by.as_str().to_owned())),
            ],
        );
        self.json(Call::new(Method::GET, url)).await
    }
}
