//! Tasks, turns, attempts, diffs and logs.

use reqwest::Method;
use serde_json::Value;

use super::error::ClientError;
use super::follow::EventRecord;
use super::http::{Call, Client, IdempotencyKey};
use crate::page::{Page, PageQuery};
use crate::parts::{DiffParts, NewComposition};
use crate::publication::{NewPublication, Publication};
use crate::task::{
    Attempt, Interruption, NewChoice, NewMessage, NewRetry, NewTask, NewTurn, Task, TaskKind,
    TaskSummary,
};

/// Which tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only those of this environment (id or label).
    pub environment: Option<String>,
    /// Only those of this kind.
    pub kind: Option<TaskKind>,
    /// Which page.
    pub page: PageQuery,
}

/// Which part of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only entries with a larger number.
    pub after: i64,
    /// How many at most; the server's own limit when left out.
    pub limit: Option<u32>,
}

const TASKS: [&str; 3] = ["api", "v1", "tasks"];
const ATTEMPTS: [&str; 3] = ["api", "v1", "attempts"];

impl Client {
    /// A page of tasks, newest first.
    pub async fn tasks(&self, query: &TaskQuery) -> Result<Page<TaskSummary>, ClientError> {
        let TaskQuery {
            environment,
            kind,
            page: PageQuery { limit, cursor },
        } = query;
        let url = self.url(
            &TASKS,
            &[
                ("environment", environment.clone()),
                ("kind", kind.map(|kind| kind.as_str().to_owned())),
                ("limit", limit.map(|limit| limit.to_string())),
                ("cursor", cursor.clone()),
            ],
        );
        self.json(Call::new(Method::GET, url)).await
    }

    /// Submits a task. The same key again gives the same task.
    pub async fn submit(&self, task: &NewTask, key: &IdempotencyKey) -> Result<Task, ClientError> {
        let url = self.url(&TASKS, &[]);
        self.json(Call::new(Method::POST, url).json(task).key(key))
            .await
    }

    /// A task with its turns and attempts.
    pub async fn task(&self, task: &str) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Adds a turn to a task whose newest turn has ended.
    pub async fn follow_up(
        &self,
        task: &str,
        turn: &NewTurn,
        key: &IdempotencyKey,
    ) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "turns"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(turn).key(key))
            .await
    }

    /// Answers the question of an attempt of the newest turn.
    pub async fn answer(
        &self,
        task: &str,
        message: &NewMessage,
        key: &IdempotencyKey,
    ) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "answer"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(message).key(key))
            .await
    }

    /// Tells the agent of a running attempt of the newest turn something.
    pub async fn steer(
        &self,
        task: &str,
        message: &NewMessage,
        key: &IdempotencyKey,
    ) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "steer"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(message).key(key))
            .await
    }

    /// Ends the agent's turn of a running attempt; it then waits to be told how to go on.
    pub async fn interrupt(
        &self,
        task: &str,
        interruption: Interruption,
    ) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "interrupt"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(&interruption))
            .await
    }

    /// Runs the newest turn once more, as a new turn.
    pub async fn retry(
        &self,
        task: &str,
        retry: NewRetry,
        key: &IdempotencyKey,
    ) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "retry"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(&retry).key(key))
            .await
    }

    /// Makes one result of parts of attempts, as a new turn.
    pub async fn compose(
        &self,
        task: &str,
        new: &NewComposition,
        key: &IdempotencyKey,
    ) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "compositions"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new).key(key))
            .await
    }

    /// The diff of what `new`, whose `dry_run` is set, would make.
    pub async fn compose_dry_run(
        &self,
        task: &str,
        new: &NewComposition,
    ) -> Result<Vec<u8>, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "compositions"]].concat(), &[]);
        let call = Call::new(Method::POST, url).json(new);
        self.bytes(call.timeout(None)).await
    }

    /// Publishes a result as a branch and a pull request; [`Client::publication`] says how far that has come.
    pub async fn publish(
        &self,
        task: &str,
        new: &NewPublication,
        key: &IdempotencyKey,
    ) -> Result<Publication, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "publications"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new).key(key))
            .await
    }

    /// The publications of a task, newest first.
    pub async fn publications(&self, task: &str) -> Result<Page<Publication>, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "publications"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// A publication.
    pub async fn publication(&self, publication: &str) -> Result<Publication, ClientError> {
        let url = self.url(&["api", "v1", "publications", publication], &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Lets an attempt stand for its turn; see [`NewChoice`].
    pub async fn choose(&self, task: &str, choice: &NewChoice) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "choice"]].concat(), &[]);
        self.json(Call::new(Method::PUT, url).json(choice)).await
    }

    /// Lets the ranking of the turn (the newest when left out) decide again.
    pub async fn withdraw_choice(
        &self,
        task: &str,
        turn: Option<u32>,
    ) -> Result<Task, ClientError> {
        let query = [("turn", turn.map(|turn| turn.to_string()))];
        let url = self.url(&[&TASKS[..], &[task, "choice"]].concat(), &query);
        self.json(Call::new(Method::DELETE, url)).await
    }

    /// Stops all attempts of a task's newest turn.
    pub async fn cancel_task(&self, task: &str) -> Result<Task, ClientError> {
        let url = self.url(&[&TASKS[..], &[task, "cancel"]].concat(), &[]);
        self.json(Call::new(Method::POST, url)).await
    }

    /// The diff shown for a task, or that of the given turn and attempt (numbers from 1); of the
    /// first repository unless another is named. Empty when the agent changed nothing.
    pub async fn task_diff(
        &self,
        task: &str,
        turn: Option<u32>,
        attempt: Option<u32>,
        repository: Option<&str>,
    ) -> Result<Vec<u8>, ClientError> {
        let url = self.url(
            &[&TASKS[..], &[task, "diff"]].concat(),
            &[
                ("turn", turn.map(|number| number.to_string())),
                ("attempt", attempt.map(|number| number.to_string())),
                ("repository", repository.map(str::to_owned)),
            ],
        );
        self.bytes(Call::new(Method::GET, url).timeout(None)).await
    }

    /// The agent's session after an attempt, in the format of [`crate::session`]: that of the given turn and attempt, or
    /// that of the attempt which is shown for the newest turn.
    pub async fn task_session(
        &self,
        task: &str,
        turn: Option<u32>,
        attempt: Option<u32>,
    ) -> Result<Vec<u8>, ClientError> {
        let url = self.url(
            &[&TASKS[..], &[task, "session"]].concat(),
            &[
                ("turn", turn.map(|number| number.to_string())),
                ("attempt", attempt.map(|number| number.to_string())),
            ],
        );
        self.bytes(Call::new(Method::GET, url).timeout(None)).await
    }

    /// One attempt.
    pub async fn attempt(&self, attempt: &str) -> Result<Attempt, ClientError> {
        let url = self.url(&[&ATTEMPTS[..], &[attempt]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Stops one attempt.
    pub async fn cancel_attempt(&self, attempt: &str) -> Result<Attempt, ClientError> {
        let url = self.url(&[&ATTEMPTS[..], &[attempt, "cancel"]].concat(), &[]);
        self.json(Call::new(Method::POST, url)).await
    }

    /// The diff of one attempt, of the first repository unless another is named. Empty when the
    /// agent changed nothing.
    pub async fn attempt_diff(
        &self,
        attempt: &str,
        repository: Option<&str>,
    ) -> Result<Vec<u8>, ClientError> {
        let query = [("repository", repository.map(str::to_owned))];
        let url = self.url(&[&ATTEMPTS[..], &[attempt, "diff"]].concat(), &query);
        self.bytes(Call::new(Method::GET, url).timeout(None)).await
    }

    /// The parts of one attempt's diff, of the first repository unless another is named.
    pub async fn attempt_parts(
        &self,
        attempt: &str,
        repository: Option<&str>,
    ) -> Result<DiffParts, ClientError> {
        let query = [("repository", repository.map(str::to_owned))];
        let path = [&ATTEMPTS[..], &[attempt, "diff", "parts"]].concat();
        let url = self.url(&path, &query);
        self.json(Call::new(Method::GET, url).timeout(None)).await
    }

    /// A page of an attempt's log.
    pub async fn events(
        &self,
        attempt: &str,
        query: EventQuery,
    ) -> Result<Page<EventRecord>, ClientError> {
        let EventQuery { after, limit } = query;
        let url = self.url(
            &[&ATTEMPTS[..], &[attempt, "events"]].concat(),
            &[
                ("after", Some(after.to_string())),
                ("limit", limit.map(|limit| limit.to_string())),
            ],
        );
        let page: Page<Value> = self.json(Call::new(Method::GET, url)).await?;
        let items = page.items.into_iter().map(EventRecord::from_json);
        let items: Result<Vec<_>, _> = items.collect();
        let items = items.map_err(|error| {
            self.protocol(200, "an event cannot be read", Some(Box::new(error)))
        })?;
        // Whoever reads on after the last one would else read the same for ever.
        let numbers = items.iter().map(|record| record.event.seq);
        if !std::iter::once(after)
            .chain(numbers)
            .is_sorted_by(|a, b| a < b)
        {
            return Err(self.protocol(200, "its events are not in order", None));
        }
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }
}
