//! Comments on results.

use std::collections::HashSet;

use outwork_domain::comment::{Comment, Lines, Side};
use outwork_domain::webhook::Kind;
use outwork_domain::{CommentId, TaskId, Timestamp, TurnId, WorkspaceId};
use serde_json::json;

use crate::error::StoreError;
use crate::sql::{Row, for_update, id, values};
use crate::store::{Store, Tx, Write};

/// The most of one task.
const MOST: usize = 500;

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT c.id, c.workspace_id, c.task_id, c.attempt_id, c.repository, c.path, c.side, c.line, c.end_line, c.excerpt, \
         c.body, c.created_by, c.created_at, c.updated_at, c.resolved_at, \
         (SELECT u.number FROM turns u WHERE u.id = c.sent_in) AS sent_in_turn FROM comments c "
    };
}

/// A change of a comment; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommentChange {
    /// What it says from now on.
    pub text: Option<String>,
    /// Whether it is settled from now on.
    pub resolved: Option<bool>,
}

/// A comment as it was read, to be sent to the agent as it says there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentComment {
    /// Which.
    pub id: CommentId,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Store {
    /// The comments of a task, oldest first.
    pub async fn comments(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
    ) -> Result<Vec<Comment>, StoreError> {
        const SELECT: &str = concat!(
            select!(),
            "WHERE c.task_id = $1 AND c.workspace_id = $2 ORDER BY c.created_at, c.id"
        );
        let values = values![id(task), id(workspace)];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read).collect()
    }

    /// A comment.
    pub async fn comment(
        &self,
        workspace: WorkspaceId,
        comment: CommentId,
    ) -> Result<Option<Comment>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE c.id = $1 AND c.workspace_id = $2");
        let values = values![id(comment), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// Keeps a comment. Errors: [`StoreError::NotFound`], [`StoreError::TooMany`].
    pub async fn add_comment(&self, comment: Comment) -> Result<(), StoreError> {
        self.write(Add { comment }).await
    }

    /// Changes a comment. Errors: [`StoreError::NotFound`]; [`StoreError::CommentSent`] if the text is to be another than the
    /// agent was told.
    pub async fn change_comment(
        &self,
        workspace: WorkspaceId,
        comment: CommentId,
        change: CommentChange,
        now: Timestamp,
    ) -> Result<Comment, StoreError> {
        self.write(ChangeIt {
            workspace,
            comment,
            change,
            now,
        })
        .await
    }

    /// Forgets a comment. Errors: [`StoreError::NotFound`], [`StoreError::CommentSent`].
    pub async fn delete_comment(
        &self,
        workspace: WorkspaceId,
        comment: CommentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Delete {
            workspace,
            comment,
            now,
        })
        .await
    }
}

fn read(row: &Row) -> Result<Comment, StoreError> {
    let lines = match row.opt_int("line")? {
        None => None,
        Some(_) => Some(Lines {
            first: row.number("line")?,
            last: row.number("end_line")?,
        }),
    };
    let sent = row.opt_int("sent_in_turn")?;
    Ok(Comment {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        task_id: row.parsed("task_id")?,
        attempt_id: row.parsed("attempt_id")?,
        repository: row.text("repository")?,
        path: row.text("path")?,
        side: Side::parse(row.str("side")?).ok_or_else(|| StoreError::corrupt("side"))?,
        lines,
        excerpt: row.text("excerpt")?,
        text: row.text("body")?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        resolved_at: row.opt_time("resolved_at")?,
        sent_in_turn: sent
            .map(|turn| u32::try_from(turn).map_err(|_| StoreError::corrupt("sent_in_turn")))
            .transpose()?,
    })
}

async fn locked(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    comment: CommentId,
) -> Result<Comment, StoreError> {
    let lock = for_update!("SELECT id FROM comments WHERE id = $1 AND workspace_id = $2");
    const SELECT: &str = concat!(select!(), "WHERE c.id = $1");
    let row = tx.row(lock, values![id(comment), id(workspace)]).await?;
    row.ok_or(StoreError::NotFound)?;
    let row = tx.row(SELECT, values![id(comment)]).await?;
    read(&row.ok_or(StoreError::NotFound)?)
}

struct Add {
    comment: Comment,
}

impl Write for Add {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const COUNT: &str = "SELECT count(*) AS count FROM comments WHERE task_id = $1";
        const INSERT: &str = "INSERT INTO comments (id, workspace_id, task_id, attempt_id, repository, path, side, line, end_line, \
             excerpt, body, created_by, created_at, updated_at) \
             SELECT $1, a.workspace_id, a.task_id, a.id, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM attempts a \
             WHERE a.id = $4 AND a.task_id = $3 AND a.workspace_id = $2";
        let Comment {
            id: comment,
            workspace_id,
            task_id,
            attempt_id,
            repository,
            path,
            side,
            lines,
            excerpt,
            text,
            created_by,
            created_at,
            updated_at,
            resolved_at: _,
            sent_in_turn: _,
        } = &self.comment;
        let row = tx.row(COUNT, values![id(task_id)]).await?;
        let count = row.map_or(Ok(0), |row| row.number::<usize>("count"))?;
        if count >= MOST {
            return Err(StoreError::TooMany { most: MOST });
        }
        let values = values![
            id(comment),
            id(workspace_id),
            id(task_id),
            id(attempt_id),
            repository,
            path,
            side.as_str(),
            lines.map(|lines| i64::from(lines.first)),
            lines.map(|lines| i64::from(lines.last)),
            excerpt,
            text,
            id(created_by),
            *created_at,
            *updated_at
        ];
        match tx.execute(INSERT, values).await? {
            1 => tx.touch(*task_id, *created_at),
            _ => return Err(StoreError::NotFound),
        }
        let told = || {
            let told = json!({
                "id": comment.to_string(),
                "attempt_id": attempt_id.to_string(),
                "repository": repository,
                "path": path,
                "line": lines.map(|lines| lines.first),
                "text": text,
                "created_by": created_by.to_string(),
            });
            Some(("comment", told))
        };
        tx.happens(
            *workspace_id,
            *task_id,
            Kind::CommentCreated,
            *created_at,
            told,
        );
        Ok(())
    }
}

struct ChangeIt {
    workspace: WorkspaceId,
    comment: CommentId,
    change: CommentChange,
    now: Timestamp,
}

impl Write for ChangeIt {
    type Output = Comment;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Comment, StoreError> {
        const UPDATE: &str =
            "UPDATE comments SET body = $2, resolved_at = $3, updated_at = $4 WHERE id = $1";
        let mut comment = locked(tx, self.workspace, self.comment).await?;
        let CommentChange { text, resolved } = self.change.clone();
        if let Some(text) = text.filter(|text| *text != comment.text) {
            if let Some(turn) = comment.sent_in_turn {
                return Err(StoreError::CommentSent { turn });
            }
            comment.text = text;
        }
        comment.resolved_at = match resolved {
            None => comment.resolved_at,
            Some(true) => comment.resolved_at.or(Some(self.now)),
            Some(false) => None,
        };
        comment.updated_at = self.now;
        let values = values![
            id(comment.id),
            &comment.text,
            comment.resolved_at,
            comment.updated_at
        ];
        tx.execute(UPDATE, values).await?;
        tx.touch(comment.task_id, self.now);
        Ok(comment)
    }
}

struct Delete {
    workspace: WorkspaceId,
    comment: CommentId,
    now: Timestamp,
}

impl Write for Delete {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM comments WHERE id = $1";
        let comment = locked(tx, self.workspace, self.comment).await?;
        if let Some(turn) = comment.sent_in_turn {
            return Err(StoreError::CommentSent { turn });
        }
        tx.execute(DELETE, values![id(self.comment)]).await?;
        tx.touch(comment.task_id, self.now);
        Ok(())
    }
}

/// Notes that a turn's prompt has these comments, as they were read. Errors: [`StoreError::CommentChanged`] if one is another by now.
pub(crate) async fn send(
    tx: &mut Tx<'_>,
    task: TaskId,
    turn: TurnId,
    comments: &[SentComment],
    now: Timestamp,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE comments SET sent_in = $3, updated_at = $5 \
         WHERE id = $1 AND task_id = $2 AND updated_at = $4 AND resolved_at IS NULL";
    let mut sent = HashSet::new();
    for SentComment { id: it, updated_at } in comments {
        if !sent.insert(*it) {
            continue;
        }
        let values = values![id(it), id(task), id(turn), *updated_at, now];
        match tx.execute(UPDATE, values).await? {
            1 => {}
            _ => return Err(StoreError::CommentChanged),
        }
    }
    Ok(())
}
