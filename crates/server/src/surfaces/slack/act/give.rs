//! A new task, and in which environment.

use outwork_api::task::NewTask;
use outwork_domain::EnvironmentId;
use outwork_domain::principal::{Member, Principal};
use outwork_slack::blocks::{choice, note};
use outwork_slack::choose::{Candidate, Choice, choose};
use outwork_slack::mrkdwn::escaped;
use outwork_slack::text::{self, Wish};
use outwork_slack::{Message, Place, Press};
use outwork_store::{ConversationChange, EnvironmentRecord, StoreError};
use serde::{Deserialize, Serialize};

use super::{Act, Acted, may_give, said, with_context};
use crate::refusal::Refusal;
use crate::submit;
use crate::surfaces::open;
use crate::surfaces::slack::context::{before, names};
use crate::surfaces::slack::tell::About;
use crate::surfaces::slack::thread::{Asked, Thread, edit};
use crate::surfaces::slack::web::outcome;

/// Environments of a workspace that are looked at.
const ENVIRONMENTS: u32 = 500;

/// What the button of an environment carries.
#[derive(Debug, Serialize, Deserialize)]
struct Chosen {
    environment: String,
    /// The message that asked.
    ts: String,
}

impl Act<'_> {
    /// The environments that are offered here.
    async fn environments(&self) -> Result<Vec<EnvironmentRecord>, StoreError> {
        let workspace = self.workspace();
        let paged = self
            .plane
            .store
            .environments(workspace, ENVIRONMENTS, None)
            .await?;
        let listed = &self.known.environments;
        let mut all = paged.items;
        all.retain(|record| {
            let label = &record.environment.spec.label;
            listed.is_empty() || listed.iter().any(|one| same_label(one, label))
        });
        Ok(all)
    }

    pub(super) async fn new_task(
        &self,
        message: &Message,
        principal: Principal,
        named: Option<&str>,
        text: &str,
    ) -> Acted {
        // Before anything is said of environments: who may not give tasks need not know them.
        let member = may_give(principal)?;
        let environments = self.environments().await?;
        let candidates: Vec<Candidate> = environments.iter().map(candidate).collect();
        let recent = self.recent(message).await?;
        let default = self.known.default_environment.as_ref();
        let default =
            default.and_then(|label| candidates.iter().find(|one| same_label(&one.label, label)));
        match choose(named, text, &candidates, &recent) {
            Choice::Chosen { id, why } => self.submit(message, &member, &id, &why, text).await,
            Choice::Ask { .. } if named.is_none() && default.is_some() => {
                let id = default.map(|one| one.id.clone()).unwrap_or_default();
                let why = "it is the usual one here";
                self.submit(message, &member, &id, why, text).await
            }
            Choice::Ask { from, why } => self.ask_which(message, &candidates, &from, &why).await,
            Choice::Nothing => {
                let text = "There is no environment here that tasks can run in. An admin makes one with `outwork env create`, or lists one for this integration.";
                self.reply(&message.place, &note(text), None).await?;
                said("There is no environment.")
            }
        }
    }

    /// The environments that this person, then others in this channel, used last.
    async fn recent(&self, message: &Message) -> Result<Vec<String>, StoreError> {
        let mut recent = Vec::new();
        for key in recent_keys(&message.place, &message.user) {
            let integration = self.known.integration.id;
            let last = self.plane.store.conversation(integration, &key).await?;
            let id = last.and_then(|it| it.environment_id);
            recent.extend(id.map(|id| id.to_string()));
        }
        Ok(recent)
    }

    async fn ask_which(
        &self,
        message: &Message,
        candidates: &[Candidate],
        from: &[String],
        why: &str,
    ) -> Acted {
        let conversation = self.opened(&message.place).await?;
        edit(
            self.plane,
            &conversation,
            ConversationChange::default(),
            |thread| {
                thread.add_pending(message.clone());
            },
        )
        .await?;
        let choices: Vec<(String, String)> = from
            .iter()
            .filter_map(|id| candidates.iter().find(|one| one.id == *id))
            .map(|one| {
                let chosen = Chosen {
                    environment: one.id.clone(),
                    ts: message.ts.clone(),
                };
                let value = serde_json::to_string(&chosen).expect("strings");
                (one.label.clone(), value)
            })
            .collect();
        self.reply(&message.place, &choice(why, &choices), None)
            .await?;
        said("It was asked in which environment.")
    }

    /// Gives the task.
    async fn submit(
        &self,
        message: &Message,
        member: &Member,
        environment: &str,
        why: &str,
        text: &str,
    ) -> Acted {
        let environment_id: EnvironmentId = environment
            .parse()
            .map_err(|_| Refusal::not_found("environment", environment))?;
        let context = before(&self.web, message, None).await;
        let context = context.map_err(|fault| outcome(&fault))?;
        let conversation = self.opened(&message.place).await?;
        let asked = Asked {
            user: message.user.clone(),
            ts: Some(message.ts.clone()),
            after: 0,
        };
        let conversation = edit(
            self.plane,
            &conversation,
            ConversationChange::default(),
            |thread| {
                thread.why = Some(why.to_owned());
                thread.pending.retain(|one| one.ts != message.ts);
                thread.add_asked(asked.clone());
            },
        )
        .await?;
        self.see(&conversation, &message.ts).await?;
        let prompt = with_context(text, &context);
        let new = NewTask::new(environment_id.to_string(), prompt);
        let idempotency = self.idempotency(member.principal());
        let made = submit::task::submit(self.plane, member, new, Some(idempotency)).await?;
        let along = ConversationChange {
            task: Some(made.id()),
            environment: Some(environment_id),
            data: None,
        };
        edit(self.plane, &conversation, along, |_| {}).await?;
        for key in recent_keys(&message.place, &message.user) {
            let data = Thread::default().text();
            let last = open(self.plane, &self.known.integration, &key, data).await?;
            let along = ConversationChange {
                environment: Some(environment_id),
                ..ConversationChange::default()
            };
            edit(self.plane, &last, along, |_| {}).await?;
        }
        Ok(format!("Task {}: {why}.", made.id()))
    }

    /// The environment of a message that asked.
    pub(super) async fn chosen(&self, press: &Press, principal: Principal) -> Acted {
        let Ok(chosen) = serde_json::from_str::<Chosen>(&press.value) else {
            return said("The button says nothing that is understood.");
        };
        let conversation = self.conversation(&press.place).await?;
        let thread = conversation.as_ref().map(Thread::of).unwrap_or_default();
        let waiting = thread.pending.into_iter().find(|one| one.ts == chosen.ts);
        let has_task = conversation.as_ref().is_some_and(|it| it.task_id.is_some());
        let Some(message) = waiting.filter(|_| !has_task) else {
            self.whisper(&press.place, &press.user, "That was chosen before.")
                .await;
            return said("It was chosen before.");
        };
        if message.user != press.user {
            let text = format!("<@{}> asked, and chooses.", message.user);
            self.whisper(&press.place, &press.user, &text).await;
            return said("Somebody else asked.");
        }
        let member = may_give(principal)?;
        let environments = self.environments().await?;
        let environment = environments
            .iter()
            .find(|one| one.environment.id.to_string() == chosen.environment);
        let Some(environment) = environment else {
            return Err(Refusal::not_found("environment", &chosen.environment).into());
        };
        let us = message.us.as_deref();
        let names = names(&self.web, us, [message.text.clone()].into_iter(), &[]).await;
        let text = match text::read(&message.text, us, |id| names.get(id).cloned()) {
            Wish::Say { text, .. } => text,
            _ => text::plain(&message.text, us, |id| names.get(id).cloned()),
        };
        let why = "it was chosen";
        let acted = self
            .submit(&message, &member, &chosen.environment, why, &text)
            .await?;
        let label = escaped(&environment.environment.spec.label);
        let post = note(&format!(
            "Environment *{label}*, chosen by <@{}>.",
            press.user
        ));
        let conversation = self.opened(&press.place).await?;
        let about = About::Note {
            text: post.text,
            blocks: post.blocks,
            instead_of: Some(press.ts.clone()),
        };
        let posts = vec![about.post(format!("chosen/{}", press.ts))];
        self.enqueue(&conversation, posts).await?;
        Ok(acted)
    }
}

fn same_label(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn candidate(record: &EnvironmentRecord) -> Candidate {
    let environment = &record.environment;
    Candidate {
        id: environment.id.to_string(),
        label: environment.spec.label.clone(),
        repository: environment.spec.repository_url.clone(),
    }
}

/// Under these it is remembered which environment was used last.
fn recent_keys(place: &Place, user: &str) -> [String; 2] {
    let Place { team, channel, .. } = place;
    [
        format!("slack:last/{team}/{user}"),
        format!("slack:last/{team}/{channel}"),
    ]
}
