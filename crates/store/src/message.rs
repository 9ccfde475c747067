//! What people tell an attempt: steering, interrupts, answers. Stored in the transaction that asks the domain whether it may be told.

use std::collections::HashMap;

use outwork_domain::attempt::Refused;
use outwork_domain::{AttemptId, Command, PrincipalId, State, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::idempotency::replay;
use crate::record::{Idempotency, Message, MessageBody, Submitted};
use crate::sql::{Conn, Row, Sql, id, in_json, json_array, values};
use crate::store::{Store, Tx, Write};
use crate::transition;

/// What somebody tells an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// A message for the agent of an attempt that waits or runs.
    Steer(String),
    /// The agent's turn is to end, and a person will say how it goes on.
    Interrupt,
    /// The answer to the question that the attempt waits for: it goes back to the queue.
    Answer(String),
}

impl Store {
    /// Stores what `by` tells the attempt, together with the idempotency key. Errors: [`StoreError::Refused`] where the attempt's state
    /// does not allow it, [`StoreError::TooMany`], [`StoreError::IdempotencyMismatch`], [`StoreError::NotFound`].
    pub async fn tell(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        by: PrincipalId,
        what: Telling,
        idempotency: Option<Idempotency>,
        now: Timestamp,
    ) -> Result<Submitted, StoreError> {
        self.write(Tell {
            workspace,
            attempt,
            by,
            what,
            idempotency,
            now,
        })
        .await
    }

    /// What people told each of these attempts, by number.
    pub async fn messages(
        &self,
        attempts: impl Iterator<Item = AttemptId>,
    ) -> Result<HashMap<AttemptId, Vec<Message>>, StoreError> {
        const SELECT: Sql = in_json!(
            "SELECT attempt_id, number, kind, body, question FROM messages WHERE attempt_id",
            "$1",
            "ORDER BY attempt_id, number"
        );
        let mut of_attempt: HashMap<_, Vec<_>> = HashMap::new();
        for row in self
            .read()
            .await?
            .rows(SELECT, values![json_array(attempts)])
            .await?
        {
            let attempt = row.parsed("attempt_id")?;
            of_attempt.entry(attempt).or_default().push(read(&row)?);
        }
        Ok(of_attempt)
    }
}

/// The messages of an attempt.
pub(crate) async fn load(
    conn: &mut Conn<'_>,
    attempt: AttemptId,
) -> Result<Vec<Message>, StoreError> {
    const SELECT: &str = "SELECT number, kind, body, question FROM messages \
         WHERE attempt_id = $1 ORDER BY number";
    let rows = conn.rows(SELECT, values![id(attempt)]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Message, StoreError> {
    let text = row.text("body")?;
    let body = match (row.text("kind")?.as_str(), row.opt_text("question")?) {
        ("steer", None) => MessageBody::Steer(text),
        ("interrupt", None) => MessageBody::Interrupt,
        ("answer", Some(question)) => MessageBody::Answer { question, text },
        (_, _) => return Err(StoreError::corrupt("message")),
    };
    Ok(Message {
        number: row.number("number")?,
        body,
    })
}

/// The most messages of one attempt: each is handed out with every claim.
const MOST: usize = 200;

struct Tell {
    workspace: WorkspaceId,
    attempt: AttemptId,
    by: PrincipalId,
    what: Telling,
    idempotency: Option<Idempotency>,
    now: Timestamp,
}

impl Write for Tell {
    type Output = Submitted;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Submitted, StoreError> {
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let task = row.attempt.task_id;
        if let Some(before) = replay(tx, &self.idempotency, task, self.now).await? {
            return Ok(before);
        }
        let told = load(tx.conn(), self.attempt).await?;
        if told.len() >= MOST {
            return Err(StoreError::TooMany { most: MOST });
        }
        let number = told.last().map_or(0, |last| last.number) + 1;
        let (kind, body, question, command) = match &self.what {
            Telling::Steer(text) => {
                let text = text.clone();
                ("steer", text.clone(), None, Command::Steer { number, text })
            }
            Telling::Interrupt => ("interrupt", String::new(), None, Command::Interrupt),
            Telling::Answer(text) => {
                let question = match &row.attempt.state {
                    State::AwaitingInput { question, .. } => question.clone(),
                    other => {
                        return Err(StoreError::Refused(Refused::WrongState {
                            state: other.as_str(),
                            wanted: "answered",
                        }));
                    }
                };
                let text = text.clone();
                (
                    "answer",
                    text.clone(),
                    Some(question),
                    Command::Answer { text },
                )
            }
        };
        let next = transition::apply(&row, command, self.now)?;
        transition::write(tx, next, self.now).await?;
        self.insert(tx, number, kind, body, question).await?;
        Ok(Submitted::New)
    }
}

impl Tell {
    async fn insert(
        &self,
        tx: &mut Tx<'_>,
        number: u32,
        kind: &'static str,
        body: String,
        question: Option<String>,
    ) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO messages (attempt_id, number, kind, body, question, \
             created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values = values![
            id(self.attempt),
            number,
            kind,
            body,
            question,
            id(self.by),
            self.now
        ];
        tx.execute(INSERT, values).await?;
        Ok(())
    }
}
