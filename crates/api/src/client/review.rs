//! Comments, approvals, and what was seen.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::approval::{Approval, NewApproval, TaskApproval};
use crate::audit::AuditEntry;
use crate::comment::{Comment, CommentPatch, NewComment};
use crate::page::{Page, PageQuery};
use crate::viewed::{MarkViewed, ViewedFile};

const TASKS: [&str; 3] = ["api", "v1", "tasks"];
const COMMENTS: [&str; 3] = ["api", "v1", "comments"];
const ATTEMPTS: [&str; 3] = ["api", "v1", "attempts"];

impl Client {
    /// The comments of a task, oldest first.
    pub async fn comments(&self, task: &str) -> Result<Page<Comment>, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "comments"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Comments on a result.
    pub async fn comment(&self, task: &str, new: &NewComment) -> Result<Comment, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "comments"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// Changes a comment.
    pub async fn change_comment(
        &self,
        id: &str,
        patch: &CommentPatch,
    ) -> Result<Comment, ClientError> {
        let url = self.url(&[&COMMENTS[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::PATCH, url).json(patch)).await
    }

    /// Deletes a comment.
    pub async fn delete_comment(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&COMMENTS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// What was said of a task's results.
    pub async fn approvals(&self, task: &str) -> Result<Page<Approval>, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "approvals"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Says whether a result may leave.
    pub async fn approve(
        &self,
        task: &str,
        new: &NewApproval,
    ) -> Result<TaskApproval, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "approvals"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// A page of what was done by whom, newest first.
    pub async fn audit(&self, page: &PageQuery) -> Result<Page<AuditEntry>, ClientError> {
        let PageQuery { limit, cursor } = page;
        let url = self.url(
            &["api", "v1", "audit"],
            &[
                ("limit", limit.map(|limit| limit.to_string())),
                ("cursor", cursor.clone()),
            ],
        );
        self.json(Call::new(Method::GET, url)).await
    }

    /// Which files of an attempt's diff were seen.
    pub async fn viewed(&self, attempt: &str) -> Result<Page<ViewedFile>, ClientError> {
        let url = self.url(&[&ATTEMPTS[..], &[attempt, "viewed"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Marks a file of an attempt's diff as seen or not seen.
    pub async fn mark_viewed(&self, attempt: &str, mark: &MarkViewed) -> Result<(), ClientError> {
        let url = self.url(&[&ATTEMPTS[..], &[attempt, "viewed"]].concat(), &[]);
        self.send(Call::new(Method::PUT, url).json(mark))
            .await
            .map(drop)
    }
}
