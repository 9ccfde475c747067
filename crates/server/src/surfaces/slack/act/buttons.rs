//! What is pressed in a message, and what is written into a form.

use outwork_slack::blocks::{Button, form};
use outwork_slack::mrkdwn::escaped;
use outwork_slack::text::Wish;
use outwork_slack::web::open_form;
use outwork_slack::{Form, Place, Press};
use outwork_store::TaskRecord;

use super::{Act, Acted, Stop, may_give, said};
use crate::endpoints::tasks;
use crate::refusal::Refusal;
use crate::surfaces::slack::who::Who;

impl Act<'_> {
    pub(super) async fn press(&self, press: &Press) -> Acted {
        let Some(button) = Button::of(&press.button) else {
            return said("It is no button of this version.");
        };
        if button == Button::Open {
            return said("The task's page was opened.");
        }
        let principal = match self.who(&press.user).await? {
            Who::Member(principal) => principal,
            Who::Nobody(why) => {
                let text = format!("⚠️ {}", escaped(&why));
                self.whisper(&press.place, &press.user, &text).await;
                return Ok(format!("Refused: {why}"));
            }
        };
        if button == Button::Environment {
            return self.chosen(press, principal).await;
        }
        let task = self.task_of(&press.place, &press.value).await?;
        let wish = match button {
            Button::FollowUp | Button::Answer => {
                may_give(principal)?;
                return self.open_form(press, button, &task).await;
            }
            Button::PullRequest => Wish::PullRequest,
            Button::Cancel => Wish::Cancel,
            Button::Approve => Wish::Approve { text: None },
            Button::Reject => Wish::Reject { text: None },
            Button::Retry => Wish::Retry,
            Button::Open | Button::Environment => return said("Nothing was asked for."),
        };
        let asked = (press.user.as_str(), None);
        self.command(&press.place, principal, &task, wish, asked)
            .await
    }

    /// The task of a thread, if it is the one that the button is about.
    async fn task_of(&self, place: &Place, value: &str) -> Result<TaskRecord, Stop> {
        let missing = || Refusal::not_found("task", value);
        let conversation = self.conversation(place).await?;
        let task = conversation.and_then(|it| it.task_id);
        let task = task.filter(|task| task.to_string() == value);
        let task = task.ok_or_else(missing)?;
        Ok(tasks::by_id(self.plane, self.workspace(), task).await?)
    }

    async fn open_form(&self, press: &Press, button: Button, task: &TaskRecord) -> Acted {
        let newest = task.turns.last().map_or(&[][..], |turn| &turn.attempts);
        let asked = newest
            .iter()
            .find_map(|record| match &record.attempt.state {
                outwork_domain::State::AwaitingInput { question, .. } => Some(question.as_str()),
                _ => None,
            });
        let asked = asked.filter(|_| button == Button::Answer && !self.settings.link_only);
        let view = form(&press.place, button, &press.value, asked);
        let opened = match &press.trigger {
            Some(trigger) => self.web.call(open_form(trigger, &view)).await.is_ok(),
            None => false,
        };
        if opened {
            return said("A form was opened.");
        }
        let text = "The form could not be opened in time. Write it into this thread instead, to me: `@outwork …`.";
        self.whisper(&press.place, &press.user, text).await;
        said("A form could not be opened.")
    }

    pub(super) async fn form(&self, form: &Form) -> Acted {
        let principal = match self.who(&form.user).await? {
            Who::Member(principal) => principal,
            Who::Nobody(why) => {
                let text = format!("⚠️ {}", escaped(&why));
                self.whisper(&form.place, &form.user, &text).await;
                return Ok(format!("Refused: {why}"));
            }
        };
        let task = self.task_of(&form.place, &form.value).await?;
        let text = form.text.trim();
        if text.is_empty() {
            return said("Nothing was written.");
        }
        let asked = (form.user.as_str(), None);
        match Button::of(&form.button) {
            Some(Button::Answer) => {
                let member = may_give(principal)?;
                let idempotency = self.idempotency(member.principal());
                self.answer(&member, task.task.id, text, idempotency)
                    .await?;
                said("The question is answered.")
            }
            _ => self.say(&form.place, principal, &task, text, asked).await,
        }
    }
}
