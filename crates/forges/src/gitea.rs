//! Gitea and Forgejo: what their webhooks deliver. The payloads are near GitHub's; the differences are here.

use serde::Deserialize;

use crate::event::Incoming;
use crate::event::{Event, Person, Place, Reduced, Repository, Unreadable, What, new_wish};
use crate::github::incoming;

/// Reads a delivery whose signature holds. `kind` is the header `X-Gitea-Event`, `delivery` is `X-Gitea-Delivery`.
pub fn read(kind: &str, delivery: &str, body: &[u8], name: &str) -> Result<Reduced, Unreadable> {
    let payload: Payload = serde_json::from_slice(body).map_err(Unreadable::Body)?;
    Ok(match payload.event(kind, delivery, name) {
        Ok(event) => Reduced::Events(vec![event]),
        Err(why) => Reduced::Ignored(why),
    })
}

#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
    sender: Option<User>,
    repository: Option<Repo>,
    issue: Option<Subject>,
    pull_request: Option<Subject>,
    comment: Option<Comment>,
    #[serde(default)]
    is_pull: bool,
    changes: Option<Changes>,
    label: Option<Label>,
}

#[derive(Deserialize)]
struct User {
    login: String,
    id: u64,
}

#[derive(Deserialize)]
struct Repo {
    full_name: String,
    clone_url: String,
}

#[derive(Deserialize)]
struct Subject {
    number: u64,
    body: Option<String>,
    user: Option<User>,
    pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    merged: Option<bool>,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Changes {
    body: Option<Before>,
}

#[derive(Deserialize)]
struct Before {
    from: Option<String>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

const NOT_READ: &str = "the delivery lacks what its kind should have";

impl Payload {
    fn event(self, kind: &str, delivery: &str, name: &str) -> Result<Incoming, &'static str> {
        let action = self.action.as_deref().unwrap_or_default();
        match (kind, action) {
            ("issues" | "pull_request", "opened" | "edited")
            | ("issue_comment" | "pull_request_comment", "created" | "edited") => {
                self.mention(name)
            }
            ("issues" | "pull_request" | "issue_label" | "pull_request_label", "label_updated") => {
                self.labelled(delivery)
            }
            ("issues" | "pull_request", "closed") => self.closed(delivery),
            _ => Err("events of this kind mean nothing here"),
        }
    }

    fn subject(&self) -> Result<(&Subject, bool), &'static str> {
        match (&self.pull_request, &self.issue) {
            (Some(pull), _) => Ok((pull, true)),
            (None, Some(issue)) => Ok((issue, self.is_pull || issue.pull_request.is_some())),
            (None, None) => Err(NOT_READ),
        }
    }

    fn wrap(&self, key: String, what: What) -> Result<Incoming, &'static str> {
        let (subject, is_pull) = self.subject()?;
        let repository = self.repository.as_ref().ok_or(NOT_READ)?;
        let event = Event {
            repository: Repository {
                path: repository.full_name.clone(),
                url: repository.clone_url.clone(),
            },
            number: subject.number,
            is_pull,
            installation: None,
            what,
        };
        Ok(incoming(key, event))
    }

    fn person(&self) -> Result<Person, &'static str> {
        let User { login, id } = self.sender.as_ref().ok_or(NOT_READ)?;
        Ok(Person {
            login: login.clone(),
            id: *id,
        })
    }

    fn mention(&self, name: &str) -> Result<Incoming, &'static str> {
        let by = self.person()?;
        let (subject, is_pull) = self.subject()?;
        let (place, author, text) = match &self.comment {
            Some(comment) => (
                Place::Comment { id: comment.id },
                &comment.user,
                &comment.body,
            ),
            None => (Place::Top, &subject.user, &subject.body),
        };
        if author.as_ref().is_some_and(|author| author.id != by.id) {
            return Err("somebody else than its author edited it");
        }
        let before = self.changes.as_ref().map(|changes| {
            let before = changes.body.as_ref();
            before.map_or(text.as_deref(), |it| it.from.as_deref())
        });
        let wish = new_wish(before.flatten(), text.as_deref().unwrap_or_default(), name)?;
        let key = place.key(is_pull, subject.number);
        self.wrap(key, What::Mention { by, place, wish })
    }

    fn labelled(&self, delivery: &str) -> Result<Incoming, &'static str> {
        // Older versions do not say which label it was, only which there are now.
        let label = self.label.as_ref().ok_or("it does not say which label")?;
        let label = label.name.clone();
        let by = self.person()?;
        let number = self.subject()?.0.number;
        self.wrap(
            format!("label:{number}:{delivery}"),
            What::Labelled { by, label },
        )
    }

    fn closed(&self, delivery: &str) -> Result<Incoming, &'static str> {
        let (subject, _) = self.subject()?;
        let merged = subject.merged == Some(true);
        let key = format!("closed:{}:{delivery}", subject.number);
        self.wrap(key, What::Closed { merged })
    }
}
