//! Notices: what people are told of what happens. They are made where deliveries of webhooks are, of the same rows and in the same
//! transaction, so each is made once.

use outwork_domain::job::{Job, State as JobState};
use outwork_domain::notice::{NoticeSettings, Occasion, Place};
use outwork_domain::webhook::Kind;
use outwork_domain::{IntegrationId, PrincipalId, WebhookId};
use outwork_store::{NoticeOwner, Occurrence, StoreError};
use serde_json::{Value, json};

use crate::plane::Plane;
use crate::surfaces::{self, Post};

/// How much of what an agent or anybody wrote is in a notice.
const QUOTED_CHARS: usize = 500;

/// What is to be told of something that happened.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Messages in chats.
    pub(crate) posts: Vec<Job>,
    /// Webhooks that are to be told it, whatever else they are told.
    pub(crate) webhooks: Vec<WebhookId>,
}

/// Who is to be told of that, and where.
pub(crate) async fn of(plane: &Plane, it: &Occurrence) -> Result<Notices, StoreError> {
    let mut notices = Notices::default();
    let data: Value = serde_json::from_str(&it.data).unwrap_or_default();
    let said = occasions(plane, it, &data).await?;
    let Some((first, _)) = said.first() else {
        return Ok(notices);
    };
    tracing::debug!(occurrence = %it.id, occasion = first.as_str(), "somebody may be told");
    let task = &data["task"];
    let by = task["created_by"]["id"].as_str().unwrap_or_default();
    let environment = task["environment_id"].as_str().unwrap_or_default();
    let member = by.parse().ok().map(NoticeOwner::Member);
    let environment = environment.parse().ok().map(NoticeOwner::Environment);
    for owner in [member, environment].into_iter().flatten() {
        let settings = match plane.store.notice_settings(it.workspace_id, owner).await {
            Ok(settings) => settings,
            // What nobody can read must not hold up what all others are told.
            Err(fault @ StoreError::Corrupt { .. }) => {
                tracing::error!(%owner, %fault, "nobody is told; the notifications are to be set anew");
                continue;
            }
            Err(fault) => return Err(fault),
        };
        for (occasion, text) in &said {
            for place in settings.places(*occasion) {
                tell(plane, it, owner, &settings, place, text, &mut notices).await?;
            }
        }
    }
    Ok(notices)
}

async fn tell(
    plane: &Plane,
    it: &Occurrence,
    owner: NoticeOwner,
    settings: &NoticeSettings,
    place: &Place,
    text: &str,
    notices: &mut Notices,
) -> Result<(), StoreError> {
    match place {
        Place::None => {}
        Place::Webhook(webhook) => notices.webhooks.push(*webhook),
        Place::Slack {
            integration,
            channel,
        } => {
            let to = match (channel, owner) {
                (Some(channel), _) => Some(channel.clone()),
                (None, NoticeOwner::Member(member)) => {
                    external_id(plane, *integration, member).await?
                }
                (None, NoticeOwner::Environment(_)) => None,
            };
            if let Some(to) = to {
                let post = post(plane, it, *integration, &to, text).await?;
                notices
                    .posts
                    .extend(post.map(|job| later(plane, settings, job)));
            }
        }
    }
    Ok(())
}

/// What people are told of it, and in which words.
async fn occasions(
    plane: &Plane,
    it: &Occurrence,
    data: &Value,
) -> Result<Vec<(Occasion, String)>, StoreError> {
    let task = &data["task"];
    let title = format!("“{}”", quoted(&task["title"]));
    let outcome = task["outcome"].as_str().unwrap_or_default();
    Ok(match it.kind {
        Kind::TaskNeedsInput => {
            let question = quoted(&data["question"]);
            vec![(Occasion::NeedsInput, format!("{title} asks: {question}"))]
        }
        Kind::TaskFinished if outcome == "succeeded" => {
            let mut all = vec![(Occasion::Finished, format!("{title} has succeeded."))];
            let needed = approvals(plane, it, task).await?;
            if needed > 0 {
                let text = format!("{title} has succeeded; its result waits for approval.");
                all.push((Occasion::ApprovalWanted, text));
            }
            all
        }
        // Who cancels it knows.
        Kind::TaskFinished if outcome == "cancelled" => Vec::new(),
        Kind::TaskFinished => {
            let why = outcome.replace('_', " ");
            vec![(
                Occasion::Failed,
                format!("{title} has not succeeded: {why}."),
            )]
        }
        Kind::PublicationChanged => match data["publication"]["url"].as_str() {
            Some(url) => vec![(Occasion::PullRequest, format!("{title} is in {url}"))],
            None => Vec::new(),
        },
        Kind::TaskCreated
        | Kind::TaskUpdated
        | Kind::TurnCreated
        | Kind::AttemptStateChanged
        | Kind::CommentCreated
        | Kind::ApprovalChanged => Vec::new(),
    })
}

/// How many people have to approve a result of the task.
async fn approvals(plane: &Plane, it: &Occurrence, task: &Value) -> Result<u32, StoreError> {
    let id = task["environment_id"].as_str().unwrap_or_default();
    let Ok(id) = id.parse() else { return Ok(0) };
    let found = plane.store.environment(it.workspace_id, id).await?;
    Ok(found.map_or(0, |record| record.environment.spec.approvals))
}

fn quoted(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = clean.take(QUOTED_CHARS).collect();
    if text.chars().count() > QUOTED_CHARS {
        short.push('…');
    }
    short
}

/// As whom the integration knows a member.
pub(crate) async fn external_id(
    plane: &Plane,
    integration: IntegrationId,
    member: PrincipalId,
) -> Result<Option<String>, StoreError> {
    let users = plane.store.linked_users(integration).await?;
    let found = users.into_iter().find(|user| user.principal_id == member);
    Ok(found.map(|user| user.external_id))
}

/// A message there; `None` if the integration is gone or switched off. One place is told of one occurrence once.
async fn post(
    plane: &Plane,
    it: &Occurrence,
    integration: IntegrationId,
    to: &str,
    text: &str,
) -> Result<Option<Job>, StoreError> {
    let found = plane.store.integration(integration).await?;
    let found = found.map(|record| record.integration);
    let is_its_own = |found: &outwork_domain::integration::Integration| {
        found.workspace_id == it.workspace_id && found.is_active
    };
    let Some(integration) = found.filter(is_its_own) else {
        return Ok(None);
    };
    let key = format!("notice:{to}");
    let conversation = surfaces::open(plane, &integration, &key, "{}".to_owned()).await?;
    let url = format!("{}/tasks/{}", plane.public_url, it.task_id);
    let body = json!({"to": to, "text": text, "url": url});
    let post = Post {
        key: it.id.to_string(),
        kind: "notice",
        body: body.to_string(),
    };
    Ok(Some(surfaces::post(
        plane,
        &integration,
        conversation.id,
        post,
    )))
}

/// Not in quiet hours.
fn later(plane: &Plane, settings: &NoticeSettings, mut job: Job) -> Job {
    let now = plane.now();
    let end = settings.quiet.as_ref().and_then(|hours| hours.until(now));
    if let Some(due_at) = end {
        job.state = JobState::Waiting {
            due_at,
            trouble: None,
        };
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_is_one_line_and_short() {
        assert_eq!(quoted(&json!("a\nb\u{1b}[0m")), "a b [0m");
        let long = quoted(&json!("ü".repeat(501)));
        assert_eq!(long.chars().count(), 501);
        assert!(long.ends_with('…'));
        assert_eq!(quoted(&Value::Null), "");
    }
}
