//! What the picker wants done, done.

use std::collections::HashMap;
use std::path::PathBuf;

use outwork_api::client::{Client, IdempotencyKey, Jitter, TaskQuery};
use outwork_api::page::{MAX_LIMIT, PageQuery};
use outwork_api::task::{NewMessage, NewTask, NewTurn, Priority, Task, TaskKind};
use outwork_git::Git;
use outwork_tui::{Answer, DiffKey, Effect, EnvironmentRow, Said, Trouble};
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

use super::{apply, in_time, log, trouble};
use crate::place;
use crate::session::{Session, repository_at};

/// Carries out effects, each in a task of its own.
pub(super) struct Hands {
    client: Client,
    git: Git,
    folder: PathBuf,
    random: fn() -> u128,
    /// By draft: what is sent again has the same, so that it is not done twice.
    keys: HashMap<u64, IdempotencyKey>,
    followed: Option<AbortHandle>,
    answers: Sender<Answer>,
}

impl Hands {
    pub fn new(session: &Session, client: Client, answers: Sender<Answer>) -> Self {
        Self {
            client,
            git: session.git(),
            folder: session.current_dir.clone(),
            random: session.random(),
            keys: HashMap::new(),
            followed: None,
            answers,
        }
    }

    pub fn carry_out(&mut self, effect: Effect) {
        let client = self.client.clone();
        match effect {
            Effect::ListTasks {
                list,
                environment,
                reviews,
                cursor,
            } => self.answer(async move {
                let page = PageQuery {
                    limit: Some(MAX_LIMIT),
                    cursor: cursor.clone(),
                };
                let kind = match reviews {
                    true => TaskKind::Review,
                    false => TaskKind::Code,
                };
                let query = TaskQuery {
                    environment,
                    kind: Some(kind),
                    page,
                };
                let page = in_time(client.tasks(&query)).await;
                Answer::Tasks { list, cursor, page }
            }),
            Effect::LoadTask { task } => self.answer(async move {
                let result = in_time(client.task(&task)).await.map(Box::new);
                Answer::Task { task, result }
            }),
            Effect::FollowLog { attempt } => self.follow(attempt),
            Effect::LoadDiff(key) => self.answer(async move {
                let result = load_diff(&client, &key).await;
                Answer::Diff { key, result }
            }),
            Effect::LoadEnvironments => {
                let (git, folder) = (self.git.clone(), self.folder.clone());
                self.answer(async move {
                    Answer::Environments(environments(&client, git, folder).await)
                });
            }
            Effect::Preflight(key) => {
                let (git, folder) = (self.git.clone(), self.folder.clone());
                self.answer(async move {
                    let result = apply::preflight(&client, git, &folder, &key).await;
                    let result = result.map_err(trouble);
                    Answer::Preflight { key, result }
                });
            }
            Effect::Apply { key, merge } => {
                let (git, folder) = (self.git.clone(), self.folder.clone());
                self.answer(async move {
                    let result = apply::apply(&client, git, &folder, &key, merge).await;
                    let result = result.map_err(trouble);
                    Answer::Applied { key, result }
                });
            }
            Effect::Cancel { task } => self.answer(async move {
                let result = in_time(client.cancel_task(&task)).await;
                Answer::Cancelled(result.map(Box::new))
            }),
            Effect::Send { draft, said } => self.send(draft, said),
            // The loop's own.
            Effect::Quit => {}
        }
    }

    /// Does something and says what came of it. After the picker's end nobody listens, which is right.
    fn answer(&self, work: impl Future<Output = Answer> + Send + 'static) {
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let answer = work.await;
            let _ = answers.send(answer).await;
        });
    }

    fn follow(&mut self, attempt: Option<String>) {
        if let Some(before) = self.followed.take() {
            before.abort();
        }
        let Some(attempt) = attempt else { return };
        // The lower half of the bits is as random as the whole.
        let jitter = Jitter::from_random((self.random)() as u64);
        let following = log::follow(self.client.clone(), attempt, jitter, self.answers.clone());
        self.followed = Some(tokio::spawn(following).abort_handle());
    }

    fn send(&mut self, draft: u64, said: Said) {
        let random = self.random;
        let key = self.keys.entry(draft);
        let key = key
            .or_insert_with(|| IdempotencyKey::from_random(random()))
            .clone();
        let client = self.client.clone();
        self.answer(async move {
            let result = send(&client, said, &key).await;
            Answer::Sent { draft, result }
        });
    }
}

/// The client's own time limit holds: the server looks up the branch before it answers.
async fn send(client: &Client, said: Said, key: &IdempotencyKey) -> Result<Box<Task>, Trouble> {
    let sent = match said {
        Said::Submit {
            environment,
            prompt,
            attempts,
        } => {
            let task = NewTask {
                environment,
                prompt,
                branch: None,
                commit: None,
                attempts: Some(attempts),
                agents: Vec::new(),
                starting_diff: None,
                starting_session: None,
                interactive: true,
                priority: Priority::Normal,
                kind: TaskKind::Code,
                output_schema: None,
                paths: Vec::new(),
            };
            client.submit(&task, key).await
        }
        Said::FollowUp {
            task,
            attempt,
            prompt,
            attempts,
        } => {
            let turn = NewTurn {
                prompt,
                comments: None,
                attempts: Some(attempts),
                attempt,
                output_schema: None,
            };
            client.follow_up(&task, &turn, key).await
        }
        Said::Answer {
            task,
            attempt,
            text,
        } => {
            let message = NewMessage {
                text,
                attempt: Some(attempt),
            };
            client.answer(&task, &message, key).await
        }
    };
    sent.map(Box::new).map_err(|error| trouble(error.into()))
}

/// A diff can be long: the time that the client gives a connection without bytes is enough of a limit.
async fn load_diff(client: &Client, key: &DiffKey) -> Result<Vec<u8>, Trouble> {
    let DiffKey {
        task,
        turn,
        attempt,
        repository,
    } = key;
    let repository = repository.as_deref();
    client
        .task_diff(task, Some(*turn), Some(*attempt), repository)
        .await
        .map_err(|error| trouble(error.into()))
}

async fn environments(
    client: &Client,
    git: Git,
    folder: PathBuf,
) -> Result<Vec<EnvironmentRow>, Trouble> {
    // In no repository there is nothing to be guessed.
    let here = match repository_at(git, &folder).await {
        Ok(repository) => place::of_clone(&repository).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let all = in_time(client.all_environments()).await?;
    let rows = all.into_iter().map(|environment| EnvironmentRow {
        is_here: here.contains(&place::comparable(&environment.repository_url)),
        id: environment.id,
        label: environment.label,
        repository: environment.repository_url,
    });
    Ok(rows.collect())
}
