//! GitLab: what its webhooks deliver. Its pull requests are merge requests, its comments notes.

use serde::Deserialize;

use crate::event::{
    Event, Incoming, Person, Place, Reduced, Repository, Unreadable, What, new_wish,
};
use crate::github::incoming;

/// Reads a delivery whose token or signature holds. `delivery` is the header `Idempotency-Key`, or `X-Gitlab-Event-UUID`.
pub fn read(delivery: &str, body: &[u8], name: &str) -> Result<Reduced, Unreadable> {
    let payload: Payload = serde_json::from_slice(body).map_err(Unreadable::Body)?;
    Ok(match payload.events(delivery, name) {
        Ok(events) => Reduced::Events(events),
        Err(why) => Reduced::Ignored(why),
    })
}

#[derive(Deserialize)]
struct Payload {
    object_kind: Option<String>,
    user: Option<User>,
    project: Option<Project>,
    object_attributes: Option<Attributes>,
    issue: Option<Numbered>,
    merge_request: Option<Numbered>,
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct User {
    username: String,
    id: u64,
    #[serde(default)]
    bot: bool,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
    git_http_url: String,
}

#[derive(Deserialize)]
struct Numbered {
    iid: u64,
}

#[derive(Deserialize)]
struct Attributes {
    id: u64,
    iid: Option<u64>,
    action: Option<String>,
    note: Option<String>,
    description: Option<String>,
    author_id: Option<u64>,
    #[serde(default)]
    system: bool,
    noteable_type: Option<String>,
    status: Option<String>,
    sha: Option<String>,
    position: Option<Position>,
}

#[derive(Deserialize)]
struct Position {
    new_path: Option<String>,
    new_line: Option<u64>,
}

#[derive(Deserialize)]
struct Changes {
    description: Option<Change<Option<String>>>,
    labels: Option<Change<Vec<Label>>>,
}

#[derive(Deserialize)]
struct Change<T> {
    previous: Option<T>,
    current: Option<T>,
}

#[derive(Deserialize)]
struct Label {
    title: String,
}

const NOT_READ: &str = "the delivery lacks what its kind should have";
const NOTHING: &str = "events of this kind mean nothing here";

impl Payload {
    fn events(self, delivery: &str, name: &str) -> Result<Vec<Incoming>, &'static str> {
        let kind = self.object_kind.as_deref().unwrap_or_default();
        let attributes = self.object_attributes.as_ref().ok_or(NOTHING)?;
        let action = attributes.action.as_deref().unwrap_or_default();
        match (kind, action) {
            ("note", "create" | "update" | "") => self.note(attributes, name),
            ("issue" | "merge_request", "open" | "update") => {
                let is_pull = kind == "merge_request";
                let number = attributes.iid.ok_or(NOT_READ)?;
                match action {
                    "open" => self.top(attributes, is_pull, number, None, name),
                    _ => self.updated(attributes, is_pull, number, delivery, name),
                }
            }
            ("issue" | "merge_request", "close" | "merge") => {
                let number = attributes.iid.ok_or(NOT_READ)?;
                let merged = action == "merge";
                let key = format!("closed:{kind}:{number}:{delivery}");
                self.one(
                    key,
                    number,
                    kind == "merge_request",
                    What::Closed { merged },
                )
            }
            ("pipeline", _) => self.pipeline(attributes),
            _ => Err(NOTHING),
        }
    }

    fn one(
        &self,
        key: String,
        number: u64,
        is_pull: bool,
        what: What,
    ) -> Result<Vec<Incoming>, &'static str> {
        let project = self.project.as_ref().ok_or(NOT_READ)?;
        let event = Event {
            repository: Repository {
                path: project.path_with_namespace.clone(),
                url: project.git_http_url.clone(),
            },
            number,
            is_pull,
            installation: None,
            what,
        };
        Ok(vec![incoming(key, event)])
    }

    /// Bots of projects and groups are called so.
    fn person(&self) -> Result<Person, &'static str> {
        let User { username, id, bot } = self.user.as_ref().ok_or(NOT_READ)?;
        let is_bot = *bot
            || ((username.starts_with("project_") || username.starts_with("group_"))
                && username.contains("_bot"));
        match is_bot {
            true => Err("a bot did it"),
            false => Ok(Person {
                login: username.clone(),
                id: *id,
            }),
        }
    }

    fn note(&self, note: &Attributes, name: &str) -> Result<Vec<Incoming>, &'static str> {
        if note.system {
            return Err("GitLab itself wrote it");
        }
        let (number, is_pull) = match (
            note.noteable_type.as_deref(),
            &self.issue,
            &self.merge_request,
        ) {
            (Some("Issue"), Some(issue), _) => (issue.iid, false),
            (Some("MergeRequest"), _, Some(request)) => (request.iid, true),
            _ => return Err("it is on no issue or merge request"),
        };
        let by = self.author(note)?;
        let wish = new_wish(None, note.note.as_deref().unwrap_or_default(), name)?;
        let place = match &note.position {
            Some(Position {
                new_path: Some(path),
                new_line,
            }) => Place::Line {
                id: note.id,
                path: path.clone(),
                line: *new_line,
                hunk: String::new(),
            },
            Some(Position { new_path: None, .. }) | None => Place::Comment { id: note.id },
        };
        // GitLab does not say what a note was before; one whose mention is not new has this key already.
        let key = format!("mention:note:{}", note.id);
        self.one(key, number, is_pull, What::Mention { by, place, wish })
    }

    fn author(&self, attributes: &Attributes) -> Result<Person, &'static str> {
        let by = self.person()?;
        match attributes.author_id.is_some_and(|author| author != by.id) {
            true => Err("somebody else than its author edited it"),
            false => Ok(by),
        }
    }

    fn top(
        &self,
        attributes: &Attributes,
        is_pull: bool,
        number: u64,
        before: Option<&str>,
        name: &str,
    ) -> Result<Vec<Incoming>, &'static str> {
        let by = self.author(attributes)?;
        let text = attributes.description.as_deref().unwrap_or_default();
        let wish = new_wish(before, text, name)?;
        let place = Place::Top;
        let key = place.key(is_pull, number);
        self.one(key, number, is_pull, What::Mention { by, place, wish })
    }

    /// The text, or the labels.
    fn updated(
        &self,
        attributes: &Attributes,
        is_pull: bool,
        number: u64,
        delivery: &str,
        name: &str,
    ) -> Result<Vec<Incoming>, &'static str> {
        let changes = self.changes.as_ref().ok_or("nothing changed")?;
        if let Some(change) = &changes.description {
            let before = change.previous.as_ref().and_then(Option::as_deref);
            return self.top(attributes, is_pull, number, before, name);
        }
        let Some(Change {
            previous,
            current: Some(current),
        }) = &changes.labels
        else {
            return Err("neither text nor labels changed");
        };
        let by = self.person()?;
        let had = |title: &str| previous.iter().flatten().any(|label| label.title == title);
        let new = current.iter().filter(|label| !had(&label.title));
        let mut events = Vec::new();
        for label in new {
            let label = label.title.clone();
            let key = format!("label:{is_pull}:{number}:{label}:{delivery}");
            let by = by.clone();
            events.extend(self.one(key, number, is_pull, What::Labelled { by, label })?);
        }
        match events.is_empty() {
            true => Err("no label was put on it"),
            false => Ok(events),
        }
    }

    fn pipeline(&self, pipeline: &Attributes) -> Result<Vec<Incoming>, &'static str> {
        if pipeline.status.as_deref() != Some("failed") {
            return Err("the checks did not fail");
        }
        let request = self.merge_request.as_ref();
        let number = request.ok_or("it is of no merge request")?.iid;
        let commit = pipeline.sha.clone().ok_or(NOT_READ)?;
        let key = format!("checks:{number}:{commit}");
        let suite = pipeline.id;
        self.one(key, number, true, What::ChecksFailed { suite, commit })
    }
}
