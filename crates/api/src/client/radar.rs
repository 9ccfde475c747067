//! Overlaps of open tasks, and how their results merge.

use std::time::Duration;

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::page::Page;
use crate::radar::{Merges, NewMerges, NewOverlaps, Overlap};

/// The server gives up earlier.
const MERGES: Duration = Duration::from_secs(45);
const TASKS: [&str; 3] = ["api", "v1", "tasks"];

impl Client {
    /// The open tasks that are about the files that a task would be about.
    pub async fn find_overlaps(&self, new: &NewOverlaps) -> Result<Page<Overlap>, ClientError> {
        let url = self.url(&["api", "v1", "overlaps"], &[]);
        self.json(Call::new(Method::POST, url).json(new)).await
    }

    /// The open tasks that are about the same files as a task.
    pub async fn overlaps(&self, task: &str) -> Result<Page<Overlap>, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "overlaps"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// How results of several tasks merge.
    pub async fn merges(&self, new: &NewMerges) -> Result<Merges, ClientError> {
        let url = self.url(&["api", "v1", "merges"], &[]);
        let call = Call::new(Method::POST, url).json(new);
        self.json(call.timeout(Some(MERGES))).await
    }

    /// Says that a task's results do not count for others any more.
    pub async fn dismiss(&self, task: &str) -> Result<(), ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "dismissal"]].concat(), &[]);
        self.send(Call::new(Method::PUT, url)).await.map(drop)
    }

    /// Takes that back.
    pub async fn restore(&self, task: &str) -> Result<(), ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "dismissal"]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }
}
