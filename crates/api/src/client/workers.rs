//! Workers: who they are, how they are let in, put out of work, and locked out.

use reqwest::Method;
use serde::Serialize;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::enrolment::{
    Drain, EnrolmentToken, MadeEnrolmentToken, NewEnrolmentToken, SetSlots, WorkerToken,
};
use crate::page::Page;
use crate::settings::Worker;
use crate::worker::{Enroll, Enrolled};

const WORKERS: [&str; 3] = ["api", "v1", "workers"];
const ENROLMENT_TOKENS: [&str; 3] = ["api", "v1", "enrolment-tokens"];
const WORKER_TOKENS: [&str; 3] = ["api", "v1", "worker-tokens"];

impl Client {
    /// The workspace's workers.
    pub async fn workers(&self) -> Result<Page<Worker>, ClientError> {
        let url = self.url(&WORKERS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Wants a worker to take nothing more.
    pub async fn drain_worker(&self, id: &str, drain: Drain) -> Result<(), ClientError> {
        self.order(Method::POST, id, "drain", &drain).await
    }

    /// Wants a worker to take work again.
    pub async fn undrain_worker(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&WORKERS[..], &[id, "undrain"]].concat(), &[]);
        self.send(Call::new(Method::POST, url).once())
            .await
            .map(drop)
    }

    /// Wants a worker to drain and then to end for good.
    pub async fn retire_worker(&self, id: &str, drain: Drain) -> Result<(), ClientError> {
        self.order(Method::POST, id, "retire", &drain).await
    }

    /// Forgets a worker that is gone; what it held is given to others at once.
    pub async fn forget_worker(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&WORKERS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// Sets how many attempts a worker may run at once.
    pub async fn set_worker_slots(&self, id: &str, slots: SetSlots) -> Result<(), ClientError> {
        self.order(Method::PUT, id, "slots", &slots).await
    }

    /// Revokes a worker's own token.
    pub async fn revoke_worker(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&WORKERS[..], &[id, "revoke"]].concat(), &[]);
        self.send(Call::new(Method::POST, url).once())
            .await
            .map(drop)
    }

    /// Makes an enrolment token.
    pub async fn make_enrolment_token(
        &self,
        new: &NewEnrolmentToken,
    ) -> Result<MadeEnrolmentToken, ClientError> {
        let url = self.url(&ENROLMENT_TOKENS, &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// The enrolment tokens, the newest first.
    pub async fn enrolment_tokens(&self) -> Result<Page<EnrolmentToken>, ClientError> {
        let url = self.url(&ENROLMENT_TOKENS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Revokes an enrolment token; workers that it let in stay.
    pub async fn revoke_enrolment_token(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&ENROLMENT_TOKENS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// The workers' own tokens, the newest first.
    pub async fn worker_tokens(&self) -> Result<Page<WorkerToken>, ClientError> {
        let url = self.url(&WORKER_TOKENS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Exchanges this client's token, an enrolment token, for a worker's own.
    pub async fn enroll(&self, enroll: &Enroll) -> Result<Enrolled, ClientError> {
        let url = self.url(&["api", "worker", "v1", "enroll"], &[]);
        self.json(Call::new(Method::POST, url).json(enroll).once())
            .await
    }

    async fn order(
        &self,
        method: Method,
        id: &str,
        what: &str,
        body: &impl Serialize,
    ) -> Result<(), ClientError> {
        let url = self.url(&[&WORKERS[..], &[id, what]].concat(), &[]);
        self.send(Call::new(method, url).json(body).once())
            .await
            .map(drop)
    }
}
