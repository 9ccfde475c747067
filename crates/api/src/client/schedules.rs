//! Schedules, and what became of their times.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client, IdempotencyKey};
use crate::page::{Page, PageQuery};
use crate::schedule::{Firing, NewSchedule, Schedule, SchedulePatch};

const SCHEDULES: [&str; 3] = ["api", "v1", "schedules"];

impl Client {
    /// The schedules of the workspace, oldest first.
    pub async fn schedules(&self) -> Result<Page<Schedule>, ClientError> {
        let url = self.url(&SCHEDULES, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// A schedule.
    pub async fn schedule(&self, id: &str) -> Result<Schedule, ClientError> {
        let url = self.url(&[&SCHEDULES[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Makes a schedule. The same key again gives the same one.
    pub async fn add_schedule(
        &self,
        new: &NewSchedule,
        key: &IdempotencyKey,
    ) -> Result<Schedule, ClientError> {
        let url = self.url(&SCHEDULES, &[]);
        self.json(Call::new(Method::POST, url).json(new).key(key))
            .await
    }

    /// Changes a schedule.
    pub async fn change_schedule(
        &self,
        id: &str,
        patch: &SchedulePatch,
    ) -> Result<Schedule, ClientError> {
        let url = self.url(&[&SCHEDULES[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::PATCH, url).json(patch)).await
    }

    /// Removes a schedule with its history; its tasks stay.
    pub async fn remove_schedule(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&SCHEDULES[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// Submits the schedule's task now, whatever its timetable says.
    pub async fn run_schedule(
        &self,
        id: &str,
        key: &IdempotencyKey,
    ) -> Result<Firing, ClientError> {
        let url = self.url(&[&SCHEDULES[..], &[id, "firings"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).key(key)).await
    }

    /// A page of what became of a schedule's times, the newest first.
    pub async fn firings(&self, id: &str, query: &PageQuery) -> Result<Page<Firing>, ClientError> {
        let PageQuery { limit, cursor } = query;
        let url = self.url(
            &[&SCHEDULES[..], &[id, "firings"]].concat(),
            &[
                ("limit", limit.map(|limit| limit.to_string())),
                ("cursor", cursor.clone()),
            ],
        );
        self.json(Call::new(Method::GET, url)).await
    }

    /// What became of one time.
    pub async fn firing(&self, id: &str) -> Result<Firing, ClientError> {
        let url = self.url(&["api", "v1", "firings", id], &[]);
        self.json(Call::new(Method::GET, url)).await
    }
}
