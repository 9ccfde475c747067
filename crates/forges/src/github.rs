//! GitHub, and GitHub Enterprise Server: what its webhooks deliver.

use serde::Deserialize;

use crate::event::{
    Event, Incoming, Person, Place, Reduced, Repository, Unreadable, What, new_wish,
};

/// Reads a delivery whose signature holds. `kind` is the header `X-GitHub-Event`, `delivery` is `X-GitHub-Delivery`, `name` what we are
/// called.
pub fn read(kind: &str, delivery: &str, body: &[u8], name: &str) -> Result<Reduced, Unreadable> {
    if !EVENTS.contains(&kind) {
        return match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => Ok(Reduced::Ignored(match kind {
                "ping" => "it is a ping",
                _ => "events of this kind mean nothing here",
            })),
            Err(fault) => Err(Unreadable::Body(fault)),
        };
    }
    let payload: Payload = serde_json::from_slice(body).map_err(Unreadable::Body)?;
    Ok(match payload.events(kind, delivery, name) {
        Ok(events) if events.is_empty() => Reduced::Ignored("it is of no pull request here"),
        Ok(events) => Reduced::Events(events),
        Err(why) => Reduced::Ignored(why),
    })
}

/// What a webhook, or an app, is to be subscribed to.
pub const EVENTS: &[&str] = &[
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "check_suite",
];

/// What is read of a payload: whatever else is in it, or comes to it, is left alone.
#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
    sender: Option<User>,
    repository: Option<Repo>,
    installation: Option<Numbered>,
    issue: Option<Issue>,
    pull_request: Option<Pull>,
    comment: Option<Comment>,
    review: Option<Comment>,
    label: Option<Label>,
    changes: Option<Changes>,
    check_suite: Option<Suite>,
}

#[derive(Deserialize)]
struct User {
    login: String,
    id: u64,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Repo {
    full_name: String,
    clone_url: String,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    body: Option<String>,
    user: Option<User>,
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    body: Option<String>,
    user: Option<User>,
    #[serde(default)]
    merged: Option<bool>,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    user: Option<User>,
    path: Option<String>,
    line: Option<u64>,
    diff_hunk: Option<String>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
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
struct Suite {
    id: u64,
    head_sha: String,
    conclusion: Option<String>,
    #[serde(default)]
    pull_requests: Vec<SuitePull>,
}

#[derive(Deserialize)]
struct SuitePull {
    number: u64,
}

const NOT_READ: &str = "the delivery lacks what its kind should have";

impl Payload {
    fn events(self, kind: &str, delivery: &str, name: &str) -> Result<Vec<Incoming>, &'static str> {
        let action = self.action.as_deref().unwrap_or_default();
        match (kind, action) {
            ("issues" | "pull_request", "opened" | "edited")
            | ("issue_comment" | "pull_request_review_comment", "created" | "edited")
            | ("pull_request_review", "submitted" | "edited") => self.mention(kind, name),
            ("issues" | "pull_request", "labeled") => self.labelled(delivery),
            ("issues" | "pull_request", "closed") => self.closed(delivery),
            ("check_suite", "completed") => self.checks(),
            _ => Err("this action means nothing here"),
        }
    }

    /// Issue or pull request: a comment on a pull request comes with an issue that says so.
    fn subject(&self) -> Result<(u64, bool), &'static str> {
        match (&self.pull_request, &self.issue) {
            (Some(pull), _) => Ok((pull.number, true)),
            (None, Some(issue)) => Ok((issue.number, issue.pull_request.is_some())),
            (None, None) => Err(NOT_READ),
        }
    }

    fn event(&self, number: u64, is_pull: bool, what: What) -> Result<Event, &'static str> {
        let Repo {
            full_name,
            clone_url,
        } = self.repository.as_ref().ok_or(NOT_READ)?;
        Ok(Event {
            repository: Repository {
                path: full_name.clone(),
                url: clone_url.clone(),
            },
            number,
            is_pull,
            installation: self.installation.as_ref().map(|it| it.id),
            what,
        })
    }

    /// Who did it, if that is a person.
    fn person(&self) -> Result<Person, &'static str> {
        let sender = self.sender.as_ref().ok_or(NOT_READ)?;
        match sender.is_bot() {
            true => Err("a bot did it"),
            false => Ok(Person {
                login: sender.login.clone(),
                id: sender.id,
            }),
        }
    }

    fn mention(&self, kind: &str, name: &str) -> Result<Vec<Incoming>, &'static str> {
        let by = self.person()?;
        let (number, is_pull) = self.subject()?;
        let (place, author, text) = match (kind, &self.comment, &self.review) {
            ("issue_comment" | "pull_request_review_comment", Some(comment), _) => {
                (comment.place(kind), &comment.user, &comment.body)
            }
            ("pull_request_review", _, Some(review)) => {
                (Place::Review { id: review.id }, &review.user, &review.body)
            }
            ("issues", ..) => {
                let issue = self.issue.as_ref().ok_or(NOT_READ)?;
                (Place::Top, &issue.user, &issue.body)
            }
            ("pull_request", ..) => {
                let pull = self.pull_request.as_ref().ok_or(NOT_READ)?;
                (Place::Top, &pull.user, &pull.body)
            }
            _ => return Err(NOT_READ),
        };
        // Who edits a text answers for the mention, not for the words around it.
        if author.as_ref().is_some_and(|author| author.id != by.id) {
            return Err("somebody else than its author edited it");
        }
        let before = self.changes.as_ref().map(|changes| {
            // What was edited may have been the title alone.
            let before = changes.body.as_ref();
            before.map_or(text.as_deref(), |it| it.from.as_deref())
        });
        let wish = new_wish(before.flatten(), text.as_deref().unwrap_or_default(), name)?;
        let key = place.key(is_pull, number);
        let event = self.event(number, is_pull, What::Mention { by, place, wish })?;
        Ok(vec![incoming(key, event)])
    }

    fn labelled(&self, delivery: &str) -> Result<Vec<Incoming>, &'static str> {
        let by = self.person()?;
        let (number, is_pull) = self.subject()?;
        let label = self.label.as_ref().ok_or(NOT_READ)?.name.clone();
        let event = self.event(number, is_pull, What::Labelled { by, label })?;
        // It may be taken off and put on again.
        Ok(vec![incoming(format!("label:{number}:{delivery}"), event)])
    }

    fn closed(&self, delivery: &str) -> Result<Vec<Incoming>, &'static str> {
        let (number, is_pull) = self.subject()?;
        let pull = self.pull_request.as_ref();
        let merged = pull.is_some_and(|pull| pull.merged == Some(true));
        let event = self.event(number, is_pull, What::Closed { merged })?;
        Ok(vec![incoming(format!("closed:{number}:{delivery}"), event)])
    }

    fn checks(&self) -> Result<Vec<Incoming>, &'static str> {
        let suite = self.check_suite.as_ref().ok_or(NOT_READ)?;
        if !matches!(suite.conclusion.as_deref(), Some("failure" | "timed_out")) {
            return Err("the checks did not fail");
        }
        let events = suite.pull_requests.iter().map(|pull| {
            let what = What::ChecksFailed {
                suite: suite.id,
                commit: suite.head_sha.clone(),
            };
            let key = format!("checks:{}:{}", pull.number, suite.head_sha);
            Ok(incoming(key, self.event(pull.number, true, what)?))
        });
        events.collect()
    }
}

impl User {
    fn is_bot(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind != "User") || self.login.ends_with("[bot]")
    }
}

impl Comment {
    fn place(&self, kind: &str) -> Place {
        match kind {
            "issue_comment" => Place::Comment { id: self.id },
            _ => Place::Line {
                id: self.id,
                path: self.path.clone().unwrap_or_default(),
                line: self.line,
                hunk: crate::thread::end(self.diff_hunk.as_deref().unwrap_or_default()),
            },
        }
    }
}

impl Place {
    /// A comment calls once, however often it is edited.
    pub(crate) fn key(&self, is_pull: bool, number: u64) -> String {
        match self {
            Self::Top if is_pull => format!("mention:pull:{number}"),
            Self::Top => format!("mention:issue:{number}"),
            Self::Comment { id } => format!("mention:comment:{id}"),
            Self::Line { id, .. } => format!("mention:line:{id}"),
            Self::Review { id } => format!("mention:review:{id}"),
        }
    }
}

/// With the repository in it: one integration may be of many.
pub(crate) fn incoming(key: String, event: Event) -> Incoming {
    Incoming {
        key: format!("{}:{key}", event.repository.path.to_lowercase()),
        event,
    }
}
