//! Publications: made once for each request, one at a time for each task and repository, and moved on by the server that holds them.

use std::time::Duration;

use outwork_domain::publication::{
    Asked, Command, Publication, PublishFailure, PullRequest, State,
};
use outwork_domain::webhook::Kind;
use outwork_domain::{Epoch, PublicationId, TaskId, Timestamp, WorkspaceId};
use serde_json::{Value as Json, json};

use crate::error::StoreError;
use crate::record::{Change, NewEventRow};
use crate::sql::{Row, Sql, for_update, id, values};
use crate::store::{Store, Tx, Write};
use crate::{event, transition};

/// The most that are listed of a task.
const LISTED: u32 = 100;

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT p.id, p.workspace_id, p.task_id, p.attempt_id, p.repository, p.created_by, p.created_at, p.deadline_at, \
         (SELECT s.away_ms FROM server s WHERE s.id = 1) - p.away_ms AS away, p.branch, p.base, p.title, p.body, p.draft, \
         p.author, p.state, p.due_at, p.epoch, p.tries, p.commit_id, p.message, p.failure_code, p.failure_hint, \
         p.pull_request_url, p.pull_request_number, p.pull_request_state, p.ended_at, p.request_key, p.fingerprint \
         FROM publications p "
    };
}

/// A request for a publication.
#[derive(Clone, Debug)]
pub struct NewPublication {
    /// What is to be made.
    pub publication: Publication,
    /// The caller's name for the request and a SHA-256 of it, so that sending it twice does it once.
    pub request: Option<(String, [u8; 32])>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It was made.
    New,
    /// It was made by an earlier request with the same key.
    Before(Box<Publication>),
}

impl Store {
    /// Keeps a publication, together with the name of its request. Errors: [`StoreError::NotFound`],
    /// [`StoreError::PublicationUnderWay`], [`StoreError::IdempotencyMismatch`].
    pub async fn publish(&self, new: NewPublication) -> Result<Requested, StoreError> {
        self.write(Publish { new }).await
    }

    /// A publication of the workspace.
    pub async fn publication(
        &self,
        workspace: WorkspaceId,
        publication: PublicationId,
    ) -> Result<Option<Publication>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE p.id = $1 AND p.workspace_id = $2");
        let values = values![id(publication), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// The publications of a task, newest first, at most 100.
    pub async fn publications(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
    ) -> Result<Vec<Publication>, StoreError> {
        const SELECT: &str = concat!(
            select!(),
            "WHERE p.task_id = $1 AND p.workspace_id = $2 ORDER BY p.created_at DESC, p.id DESC LIMIT $3"
        );
        let values = values![id(task), id(workspace), LISTED];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read).collect()
    }

    /// Takes one that is due. Those whose time is over fail on the way.
    pub async fn claim_publication(
        &self,
        now: Timestamp,
    ) -> Result<Option<Publication>, StoreError> {
        const DUE: &str = "SELECT p.id FROM publications p WHERE p.due_at <= $1 LIMIT 1";
        // A look costs less than a write, and mostly there is nothing.
        if self.read().await?.row(DUE, values![now]).await?.is_none() {
            return Ok(None);
        }
        self.write(Claim { now }).await
    }

    /// Obeys what the server that holds it says. Errors: [`StoreError::Publication`] if another one has it, [`StoreError::NotFound`].
    pub async fn move_publication(
        &self,
        publication: PublicationId,
        command: Command,
        now: Timestamp,
    ) -> Result<Publication, StoreError> {
        self.write(Move {
            publication,
            command,
            now,
        })
        .await
    }

    /// No server works on any of them: for the start of the only one that uses the database.
    pub async fn release_publications(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(Release { now }).await
    }
}

fn read(row: &Row) -> Result<Publication, StoreError> {
    let away: u64 = row.number("away")?;
    Ok(Publication {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        task_id: row.parsed("task_id")?,
        attempt_id: row.parsed("attempt_id")?,
        repository: row.text("repository")?,
        asked: Asked {
            branch: row.text("branch")?,
            base: row.opt_text("base")?,
            title: row.opt_text("title")?,
            body: row.opt_text("body")?,
            draft: row.int("draft")? == 1,
            author: row.opt_text("author")?,
        },
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        deadline_at: row.time("deadline_at")? + Duration::from_millis(away),
        epoch: Epoch::new(row.int("epoch")?),
        tries: u32::try_from(row.int("tries")?).map_err(|_| StoreError::corrupt("tries"))?,
        commit: row.opt_text("commit_id")?,
        state: read_state(row)?,
    })
}

fn read_state(row: &Row) -> Result<State, StoreError> {
    Ok(match row.text("state")?.as_str() {
        "queued" => State::Queued {
            visible_at: row.time("due_at")?,
            trouble: row.opt_text("message")?,
        },
        "publishing" => State::Publishing {
            until: row.time("due_at")?,
        },
        "published" => State::Published {
            pull_request: read_pull_request(row)?,
            note: row.opt_text("message")?,
            ended_at: row.time("ended_at")?,
        },
        "failed" => State::Failed {
            failure: PublishFailure {
                code: row.text("failure_code")?,
                message: row.text("message")?,
                hint: row.opt_text("failure_hint")?,
            },
            ended_at: row.time("ended_at")?,
        },
        _ => return Err(StoreError::corrupt("state of a publication")),
    })
}

fn read_pull_request(row: &Row) -> Result<Option<PullRequest>, StoreError> {
    let Some(url) = row.opt_text("pull_request_url")? else {
        return Ok(None);
    };
    Ok(Some(PullRequest {
        url,
        number: row.number("pull_request_number")?,
        state: row.text("pull_request_state")?,
    }))
}

struct Publish {
    new: NewPublication,
}

impl Write for Publish {
    type Output = Requested;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Requested, StoreError> {
        const BEFORE: &str = concat!(
            select!(),
            "WHERE p.task_id = $1 AND p.created_by = $2 AND p.request_key = $3"
        );
        const UNDER_WAY: &str = "SELECT id FROM publications \
             WHERE task_id = $1 AND repository = $2 AND due_at IS NOT NULL";
        let new = &self.new.publication;
        // Two that come at once: the second waits here for the first.
        transition::load(tx, new.workspace_id, new.attempt_id).await?;
        if let Some((key, fingerprint)) = &self.new.request {
            let values = values![id(new.task_id), id(new.created_by), key];
            if let Some(row) = tx.row(BEFORE, values).await? {
                if row.bytes("fingerprint")? != fingerprint {
                    return Err(StoreError::IdempotencyMismatch);
                }
                return Ok(Requested::Before(Box::new(read(&row)?)));
            }
        }
        let values = values![id(new.task_id), &new.repository];
        if let Some(row) = tx.row(UNDER_WAY, values).await? {
            let publication = row.parsed("id")?;
            return Err(StoreError::PublicationUnderWay { publication });
        }
        insert(tx, &self.new).await?;
        tell(tx, new, new.created_at).await?;
        Ok(Requested::New)
    }
}

async fn insert(tx: &mut Tx<'_>, new: &NewPublication) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO publications (id, workspace_id, task_id, attempt_id, repository, created_by, created_at, \
         deadline_at, away_ms, request_key, fingerprint, branch, base, title, body, draft, author, state, due_at, epoch, tries) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT away_ms FROM server WHERE id = 1), $9, $10, $11, $12, $13, $14, \
         $15, $16, $17, $18, $19, $20)";
    let NewPublication {
        publication,
        request,
    } = new;
    let Publication {
        id: publication_id,
        workspace_id,
        task_id,
        attempt_id,
        repository,
        asked,
        created_by,
        created_at,
        deadline_at,
        epoch,
        tries,
        commit: _,
        state,
    } = publication;
    let Asked {
        branch,
        base,
        title,
        body,
        draft,
        author,
    } = asked;
    let (key, fingerprint) = request.clone().unzip();
    let values = values![
        id(publication_id),
        id(workspace_id),
        id(task_id),
        id(attempt_id),
        repository,
        id(created_by),
        *created_at,
        *deadline_at,
        key,
        fingerprint.map(|hash| hash.to_vec()),
        branch,
        base.as_deref(),
        title.as_deref(),
        body.as_deref(),
        i64::from(*draft),
        author.as_deref(),
        state.as_str(),
        publication.due_at(),
        epoch.get(),
        *tries
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}

struct Claim {
    now: Timestamp,
}

impl Write for Claim {
    type Output = Option<Publication>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Option<Publication>, StoreError> {
        const DUE: Sql = Sql {
            sqlite: concat!(select!(), "WHERE p.due_at <= $1 ORDER BY p.due_at LIMIT 1"),
            postgres: concat!(
                select!(),
                "WHERE p.due_at <= $1 ORDER BY p.due_at LIMIT 1 FOR UPDATE SKIP LOCKED"
            ),
        };
        loop {
            let Some(row) = tx.row(DUE, values![self.now]).await? else {
                return Ok(None);
            };
            let claimed = read(&row)?.apply(Command::Claim, self.now)?;
            write(tx, &claimed).await?;
            if !claimed.state.is_final() {
                return Ok(Some(claimed));
            }
            tell(tx, &claimed, self.now).await?;
        }
    }
}

struct Move {
    publication: PublicationId,
    command: Command,
    now: Timestamp,
}

impl Write for Move {
    type Output = Publication;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Publication, StoreError> {
        let sql = for_update!(select!(), "WHERE p.id = $1");
        let row = tx.row(sql, values![id(self.publication)]).await?;
        let before = read(&row.ok_or(StoreError::NotFound)?)?;
        let after = before.apply(self.command.clone(), self.now)?;
        write(tx, &after).await?;
        if !matches!(after.state, State::Publishing { .. }) {
            tell(tx, &after, self.now).await?;
        }
        Ok(after)
    }
}

async fn write(tx: &mut Tx<'_>, it: &Publication) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE publications SET state = $2, due_at = $3, epoch = $4, tries = $5, commit_id = $6, message = $7, \
         failure_code = $8, failure_hint = $9, pull_request_url = $10, pull_request_number = $11, pull_request_state = $12, \
         ended_at = $13 WHERE id = $1";
    let (mut message, mut failure, mut opened, mut ended) = (None, None, None, None);
    match &it.state {
        State::Queued { trouble, .. } => message = trouble.as_deref(),
        State::Publishing { .. } => {}
        State::Published {
            pull_request,
            note,
            ended_at,
        } => {
            message = note.as_deref();
            opened = pull_request.as_ref();
            ended = Some(*ended_at);
        }
        State::Failed {
            failure: why,
            ended_at,
        } => {
            message = Some(&why.message);
            failure = Some(why);
            ended = Some(*ended_at);
        }
    }
    let number = opened.map(|it| i64::try_from(it.number).unwrap_or(i64::MAX));
    let values = values![
        id(it.id),
        it.state.as_str(),
        it.due_at(),
        it.epoch.get(),
        it.tries,
        it.commit.as_deref(),
        message,
        failure.map(|it| it.code.as_str()),
        failure.and_then(|it| it.hint.as_deref()),
        opened.map(|it| it.url.as_str()),
        number,
        opened.map(|it| it.state.as_str()),
        ended
    ];
    match tx.execute(UPDATE, values).await? {
        1 => Ok(()),
        _ => Err(StoreError::NotFound),
    }
}

/// Writes it into the attempt's log, behind what its worker wrote.
async fn tell(tx: &mut Tx<'_>, it: &Publication, now: Timestamp) -> Result<(), StoreError> {
    const COUNT: &str = "UPDATE attempts SET last_seq = $2 WHERE id = $1";
    let row = transition::load(tx, it.workspace_id, it.attempt_id).await?;
    let seq = row.last_seq + 1;
    let event = NewEventRow {
        at: now,
        kind: "publication".to_owned(),
        json: body(it),
    };
    event::insert(tx, &row.attempt, seq, None, &[event]).await?;
    tx.execute(COUNT, values![id(it.attempt_id), seq]).await?;
    let told = || {
        let mut told: Json = serde_json::from_str(&body(it)).expect("it is JSON");
        told["id"] = it.id.to_string().into();
        told["attempt_id"] = it.attempt_id.to_string().into();
        told["repository"] = it.repository.as_str().into();
        if let Some(fields) = told.as_object_mut() {
            fields.retain(|name, _| name != "type" && name != "publication");
        }
        Some(("publication", told))
    };
    tx.happens(
        it.workspace_id,
        it.task_id,
        Kind::PublicationChanged,
        now,
        told,
    );
    tx.touch(it.task_id, now);
    tx.changed(Change::Attempt(it.attempt_id));
    Ok(())
}

fn body(it: &Publication) -> String {
    let (url, message) = match &it.state {
        State::Queued { trouble, .. } => (None, trouble.as_deref()),
        State::Publishing { .. } => (None, None),
        State::Published {
            pull_request, note, ..
        } => (
            pull_request.as_ref().map(|it| it.url.as_str()),
            note.as_deref(),
        ),
        State::Failed { failure, .. } => (None, Some(failure.message.as_str())),
    };
    let mut body = json!({"type": "publication", "publication": it.id.to_string(), "state": it.state.as_str(), "branch": it.asked.branch});
    for (name, value) in [("url", url), ("message", message)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    body.to_string()
}

struct Release {
    now: Timestamp,
}

impl Write for Release {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const RELEASE: &str =
            "UPDATE publications SET due_at = $1 WHERE state = 'publishing' AND due_at > $1";
        tx.execute(RELEASE, values![self.now]).await?;
        Ok(())
    }
}
