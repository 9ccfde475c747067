//! What is asked of a task that there is: more of it, an end, a verdict, its diff, a pull request.

use outwork_api::approval::{NewApproval, Verdict};
use outwork_api::publication::NewPublication;
use outwork_api::task::{NewRetry, NewTurn};
use outwork_domain::TaskId;
use outwork_domain::integration::Conversation;
use outwork_domain::principal::{Member, Principal};
use outwork_domain::status::TaskStatus;
use outwork_slack::blocks::{Post, note};
use outwork_slack::mrkdwn::escaped;
use outwork_slack::text::Wish;
use outwork_slack::{Message, Place};
use outwork_store::{ConversationChange, Idempotency, StoreError, TaskRecord};
use sha2::{Digest, Sha256};

use super::{Act, Acted, Stop, may_give, said, with_context};
use crate::endpoints::attempts::diff::patch_bytes;
use crate::endpoints::{approvals, publications, tasks};
use crate::refusal::Refusal;
use crate::surfaces::slack::context::before;
use crate::surfaces::slack::send::status;
use crate::surfaces::slack::tell::About;
use crate::surfaces::slack::thread::{Asked, Thread, edit};
use crate::surfaces::slack::web::outcome;
use crate::{submit, view};

/// So much of a diff is shown in a thread.
const DIFF_CHARS: usize = 2400;

impl Act<'_> {
    /// An answer, a word to an agent that runs, or a follow-up: as the task stands.
    pub(super) async fn say(
        &self,
        place: &Place,
        principal: Principal,
        task: &TaskRecord,
        text: &str,
        (user, message): (&str, Option<&Message>),
    ) -> Acted {
        let member = may_give(principal)?;
        let id = task.task.id;
        let idempotency = self.idempotency(member.principal());
        match task.status().0 {
            TaskStatus::NeedsInput => {
                self.answer(&member, id, text, idempotency).await?;
                said("The question is answered.")
            }
            TaskStatus::Pending | TaskStatus::Running => {
                let kind = submit::tell::Kind::Steer(text.to_owned());
                submit::tell::tell(self.plane, &member, id, None, kind, Some(idempotency)).await?;
                let post = note("💬 The agent is told.");
                self.reply(place, &post, None).await?;
                said("The agent is told.")
            }
            TaskStatus::Completed | TaskStatus::Failed => {
                self.follow_up(place, &member, task, text, (user, message))
                    .await
            }
        }
    }

    pub(super) async fn answer(
        &self,
        member: &Member,
        task: TaskId,
        text: &str,
        idempotency: Idempotency,
    ) -> Result<(), Refusal> {
        let kind = submit::tell::Kind::Answer(text.to_owned());
        submit::tell::tell(self.plane, member, task, None, kind, Some(idempotency))
            .await
            .map(drop)
    }

    async fn follow_up(
        &self,
        place: &Place,
        member: &Member,
        task: &TaskRecord,
        text: &str,
        (user, message): (&str, Option<&Message>),
    ) -> Acted {
        let conversation = self.opened(place).await?;
        let thread = Thread::of(&conversation);
        // What was said since somebody asked last.
        let since = thread
            .asked
            .iter()
            .filter_map(|one| one.ts.as_deref())
            .rfind(|ts| message.is_none_or(|message| *ts != message.ts));
        let context = match message {
            Some(message) => before(&self.web, message, since).await,
            None => Ok(String::new()),
        };
        let context = context.map_err(|fault| outcome(&fault))?;
        self.asks(&conversation, task, user, message).await?;
        let new = NewTurn {
            prompt: with_context(text, &context),
            comments: None,
            attempts: None,
            attempt: None,
            output_schema: None,
        };
        let idempotency = self.idempotency(member.principal());
        let id = task.task.id;
        submit::turn::submit(self.plane, member, id, new, Some(idempotency)).await?;
        said("A follow-up was given.")
    }

    /// Remembers who asked for the next turn, and shows that it was seen.
    async fn asks(
        &self,
        conversation: &Conversation,
        task: &TaskRecord,
        user: &str,
        message: Option<&Message>,
    ) -> Result<(), StoreError> {
        let asked = Asked {
            user: user.to_owned(),
            ts: message.map(|message| message.ts.clone()),
            after: u32::try_from(task.turns.len()).unwrap_or(u32::MAX),
        };
        edit(
            self.plane,
            conversation,
            ConversationChange::default(),
            |thread| {
                thread.add_asked(asked.clone());
            },
        )
        .await?;
        match message {
            Some(message) => self.see(conversation, &message.ts).await,
            None => Ok(()),
        }
    }

    pub(super) async fn command(
        &self,
        place: &Place,
        principal: Principal,
        task: &TaskRecord,
        wish: Wish,
        (user, message): (&str, Option<&Message>),
    ) -> Acted {
        let id = task.task.id;
        match wish {
            Wish::Cancel => {
                may_give(principal)?;
                let now = self.plane.now();
                self.plane
                    .store
                    .cancel_task(self.workspace(), id, now)
                    .await?;
                said("It is cancelled.")
            }
            Wish::Approve { text } => {
                self.judge(place, principal, id, Verdict::Approve, text, user)
                    .await
            }
            Wish::Reject { text } => {
                self.judge(place, principal, id, Verdict::Reject, text, user)
                    .await
            }
            Wish::Retry => {
                let member = may_give(principal)?;
                let conversation = self.opened(place).await?;
                self.asks(&conversation, task, user, message).await?;
                let idempotency = self.idempotency(member.principal());
                let new = NewRetry::default();
                submit::turn::retry(self.plane, &member, id, new, Some(idempotency)).await?;
                said("It is tried again.")
            }
            Wish::PullRequest => self.publish(place, principal, id).await,
            Wish::Diff => {
                let post = self.diff(task).await?;
                self.reply(place, &post, None).await?;
                said("The diff was shown.")
            }
            Wish::Status => {
                let wire = view::task::whole(self.plane, task.clone()).await?;
                let post = status(task, &wire, self.settings.link_only);
                self.reply(place, &post, None).await?;
                said("The state was told.")
            }
            // Dealt with before.
            Wish::Help | Wish::Nothing | Wish::Say { .. } => said("Nothing was asked for."),
        }
    }

    async fn judge(
        &self,
        place: &Place,
        principal: Principal,
        task: TaskId,
        verdict: Verdict,
        text: Option<String>,
        user: &str,
    ) -> Acted {
        let reviewer = principal.reviewer().map_err(Refusal::from)?;
        let new = NewApproval {
            turn: None,
            attempt: None,
            verdict,
            text,
        };
        let stands = approvals::give::judge(self.plane, &reviewer, task, new).await?;
        let did = match verdict {
            Verdict::Approve => "👍 Approved",
            Verdict::Reject => "👎 Rejected",
            Verdict::Withdraw => "Withdrawn",
        };
        let waits = match stands.state.as_str() {
            "waiting" => format!(
                " {} of {} approvals are given.",
                stands.given.len(),
                stands.needed
            ),
            _ => String::new(),
        };
        let post = note(&format!("{did} by <@{user}>.{waits}"));
        self.reply(place, &post, None).await?;
        Ok(format!("{did}."))
    }

    async fn publish(&self, place: &Place, principal: Principal, task: TaskId) -> Acted {
        let member = may_give(principal)?;
        let fingerprint = Sha256::digest(self.held.job.body.as_bytes()).into();
        let request = Some((self.key(), fingerprint));
        let new = NewPublication::default();
        let asked = publications::publish::ask(self.plane, &member, task, new, request).await?;
        let (publication, _) = asked;
        let conversation = self.opened(place).await?;
        let id = publication.id.to_string();
        edit(
            self.plane,
            &conversation,
            ConversationChange::default(),
            |thread| {
                if !thread.publications.contains(&id) {
                    thread.publications.push(id.clone());
                }
            },
        )
        .await?;
        // It may have ended before it was remembered.
        let about = About::Publication { id: id.clone() };
        let posts = vec![about.post(format!("publication/{id}/asked"))];
        self.enqueue(&conversation, posts).await?;
        Ok(format!("Publication {id}."))
    }

    async fn diff(&self, task: &TaskRecord) -> Result<Post, Stop> {
        let turn = tasks::diff::chosen_turn(task, None)?;
        let attempt = tasks::diff::named_or_shown(task, turn, None)?;
        let url = format!("{}/tasks/{}", self.plane.public_url, task.task.id);
        let stat = view::attempt::stat(attempt).unwrap_or_default();
        let link = format!("<{}|{} files>", escaped(&url), stat.files_changed);
        if self.settings.link_only {
            return Ok(note(&format!("<{}|The diff>", escaped(&url))));
        }
        let head = format!("{link}, +{} −{}", stat.lines_added, stat.lines_removed);
        let bytes = patch_bytes(self.plane, task, attempt, None).await?;
        let text = String::from_utf8_lossy(&bytes);
        let shown: String = text.chars().take(DIFF_CHARS).collect();
        let shown = escaped(&shown).replace("```", "`\u{200b}`\u{200b}`");
        let shown: String = shown.chars().take(DIFF_CHARS).collect();
        // An entity that was cut is no entity.
        let shown = match shown.rfind('&') {
            Some(at) if !shown[at..].contains(';') => &shown[..at],
            _ => &shown,
        };
        let more = match text.chars().count() > DIFF_CHARS {
            true => "\n… the rest is there.",
            false => "",
        };
        Ok(note(&format!("{head}\n```\n{shown}\n```{more}")))
    }
}
