//! What somebody asked for at a forge, or what happened there.

use outwork_api::integration::ForgeSettings;
use outwork_domain::integration::Conversation;
use outwork_domain::principal::Member;
use outwork_forges::Kind;
use outwork_forges::call::{At, Level, Target};
use outwork_forges::event::{Event, Person, Place, What};
use outwork_forges::mention::Wish;
use outwork_forges::report;
use outwork_store::{Idempotency, TaskRecord};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::asking::{Forge, forge};
use super::go_on::Begun;
use super::memory::{Memory, remember};
use super::settings::level;
use super::{Stop, checks, go_on, send, start};
use crate::jobs::{Held, Outcome};
use crate::surfaces::settings::Known;
use crate::surfaces::{self, Post, acting_for};

/// Something that came in, with all that is needed to do something about it.
pub(super) struct Case<'a> {
    pub(super) held: &'a Held,
    pub(super) known: &'a Known,
    pub(super) kind: Kind,
    pub(super) settings: &'a ForgeSettings,
    pub(super) event: &'a Event,
    pub(super) target: Target,
    pub(super) forge: Forge<'a>,
    pub(super) conversation: Conversation,
}

/// Does it. It may have been begun before.
pub(crate) async fn handle(
    held: &Held,
    known: &Known,
    kind: Kind,
    settings: &ForgeSettings,
) -> Outcome {
    let Ok(event) = serde_json::from_str::<Event>(&held.job.body) else {
        return Outcome::Failed("What was kept of the delivery cannot be read.".to_owned());
    };
    match act(held, known, kind, settings, &event).await {
        Ok(note) => Outcome::Done(Some(note)),
        Err(Stop::Job(outcome)) => outcome,
        Err(Stop::Tell { why, .. }) => Outcome::Failed(why),
    }
}

async fn act(
    held: &Held,
    known: &Known,
    kind: Kind,
    settings: &ForgeSettings,
    event: &Event,
) -> Result<String, Stop> {
    let plane = &held.plane;
    let target = Target {
        repository: event.repository.path.clone(),
        number: event.number,
        is_pull: event.is_pull,
    };
    let key = event.conversation(kind.as_str());
    // Of what nobody talks about here, ends and checks are nobody's business.
    let by_us = plane.store.conversation(known.integration.id, &key).await?;
    let (person, conversation) = match (&event.what, by_us) {
        (What::Mention { by, .. }, found) => (Some(by), found),
        (What::Labelled { by, label }, found) if Some(label) == settings.label.as_ref() => {
            (Some(by), found)
        }
        (What::Labelled { .. }, _) => return Ok("It is not the label that gives tasks.".to_owned()),
        (What::Closed { .. } | What::ChecksFailed { .. }, Some(found)) => (None, Some(found)),
        (What::Closed { .. } | What::ChecksFailed { .. }, None) => {
            return Ok("Nobody asked for anything there.".to_owned());
        }
    };
    let repository = &event.repository.path;
    let forge = forge(plane, kind, known, settings, repository, event.installation).await?;
    if let Some(person) = person {
        let may = may(&forge, kind, repository, person).await?;
        let least = level(settings);
        if may < least {
            return Ok(format!(
                "{} has the right `{}` in {repository}; `{}` is needed.",
                person.login,
                may.as_str(),
                least.as_str()
            ));
        }
    }
    let conversation = match conversation {
        Some(conversation) => conversation,
        None => {
            let memory = Memory::new(&target, event.installation);
            surfaces::open(plane, &known.integration, &key, memory.text()).await?
        }
    };
    let case = Case {
        held,
        known,
        kind,
        settings,
        event,
        target,
        forge,
        conversation,
    };
    match case.route().await {
        Err(Stop::Tell { why, hint }) => case.say(&why, hint.as_deref()).await,
        other => other,
    }
}

/// What somebody may do there. Who is not known there may nothing.
async fn may(
    forge: &Forge<'_>,
    kind: Kind,
    repository: &str,
    person: &Person,
) -> Result<Level, Stop> {
    let answer = forge.answer(&kind.permission(repository, person)).await?;
    match answer.status.as_u16() {
        404 => Ok(Level::None),
        200..=299 => Ok(kind.read_permission(&answer.body, person)),
        _ => Err(forge.refused(&answer).into()),
    }
}

impl Case<'_> {
    async fn route(&self) -> Result<String, Stop> {
        match &self.event.what {
            What::Mention { by, place, wish } => {
                self.eyes(place).await;
                self.wished(by, place, wish).await
            }
            What::Labelled { by, .. } => {
                self.eyes(&Place::Top).await;
                match self.task().await? {
                    Some(_) => Ok("There is a task of it already.".to_owned()),
                    None => start::work(self, by, &Place::Top, "").await,
                }
            }
            What::Closed { merged } => {
                self.note(|memory| memory.is_closed = true).await?;
                let end = if *merged { "merged" } else { "closed" };
                Ok(format!("It is {end}."))
            }
            What::ChecksFailed { suite, commit } => checks::failed(self, *suite, commit).await,
        }
    }

    async fn wished(&self, by: &Person, place: &Place, wish: &Wish) -> Result<String, Stop> {
        let task = self.task().await?;
        match (wish, task) {
            (Wish::Review(about), _) if self.target.is_pull => {
                start::review(self, by, place, about).await
            }
            (Wish::Review(about), None) => {
                start::work(self, by, place, &format!("Review: {about}")).await
            }
            (Wish::Work(text), None) => start::work(self, by, place, text).await,
            (Wish::Review(text) | Wish::Work(text), Some(task)) => {
                go_on::work(self, by, place, text, task).await
            }
            (Wish::PullRequest, Some(task)) => go_on::publish(self, by, &task).await,
            (Wish::Retry, Some(task)) => go_on::retry(self, by, &task).await,
            (Wish::Cancel, Some(task)) => go_on::cancel(self, by, &task).await,
            (Wish::PullRequest | Wish::Retry | Wish::Cancel, None) => Err(Stop::Tell {
                why: "Nothing was asked for here yet.".to_owned(),
                hint: None,
            }),
        }
    }

    /// The task that is talked about, if it is still there.
    pub(super) async fn task(&self) -> Result<Option<TaskRecord>, Stop> {
        // One that this very job made is not one to go on with.
        let began = Begun::of(self) == Some(Begun::Task);
        let Some(id) = self.conversation.task_id.filter(|_| !began) else {
            return Ok(None);
        };
        let workspace = self.conversation.workspace_id;
        Ok(self.held.plane.store.task(workspace, id).await?)
    }

    /// Who acts: the member that the person is known to be, else the integration's own.
    pub(super) async fn member(&self, person: Option<&Person>) -> Result<Member, Stop> {
        let plane = &self.held.plane;
        let external = person.map(|it| it.id.to_string()).unwrap_or_default();
        let acting = acting_for(plane, &self.known.integration, &external).await?;
        acting.ok_or_else(|| Stop::Tell {
            why: "Who acts for you here may not give tasks.".to_owned(),
            hint: Some(
                "An admin gives that member the role `member`, with `outwork member set`."
                    .to_owned(),
            ),
        })
    }

    /// A sign that it was seen. Nothing depends on it.
    async fn eyes(&self, place: &Place) {
        let target = &self.target;
        let Some(call) = self.kind.eyes(&At { target, place }) else {
            return;
        };
        match self.forge.answer(&call).await {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => {
                let status = answer.status.as_u16();
                tracing::info!(status, "a mention got no eyes");
            }
            Err(trouble) => tracing::info!(?trouble, "a mention got no eyes"),
        }
    }

    pub(super) async fn note(&self, change: impl Fn(&mut Memory)) -> Result<(), Stop> {
        let also = outwork_store::ConversationChange::default();
        let it = &self.conversation;
        remember(&self.held.plane, it, also, change).await?;
        Ok(())
    }

    /// Tells people why nothing was begun. The note of the job says the same.
    pub(super) async fn say(&self, why: &str, hint: Option<&str>) -> Result<String, Stop> {
        let Held { plane, job } = self.held;
        let key = format!("notice/{}", job.id);
        let text = report::refusal(&key, why, hint);
        let post = Post {
            body: json!({"key": key, "text": text}).to_string(),
            key,
            kind: send::NOTICE,
        };
        let post = surfaces::post(plane, &self.known.integration, self.conversation.id, post);
        plane.store.enqueue(vec![post]).await?;
        plane.signals.jobs.send_replace(());
        Ok(why.to_owned())
    }

    /// Makes what this job does one, however often it is begun. `act` tells apart what one job does.
    pub(super) fn once(&self, member: &Member, act: &str) -> Idempotency {
        let Held { plane, job } = self.held;
        let key = format!("{}/{act}", job.id);
        Idempotency {
            principal_id: member.principal().id,
            route: "forge".to_owned(),
            fingerprint: Sha256::digest(&key).into(),
            key,
            // A job lives no longer.
            expires_at: plane.now() + std::time::Duration::from_secs(7 * 24 * 3600),
        }
    }
}
