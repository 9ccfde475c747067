//! How each server wants its requests, and where its answers have what is read of them.

use serde_json::{Value, json};

use crate::call::{
    At, Call, FailedCheck, FileDiff, Level, PAGE, PullRefs, Said, Target, Top, Verb, text,
};
use crate::event::{Person, Place};
use crate::review::Review;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GitHub,
    GitLab,
    Gitea,
}

impl Kind {
    /// As settings and keys name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
        }
    }

    /// The scheme of the `Authorization` with which a token is sent.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::GitHub | Self::GitLab => "Bearer",
            Self::Gitea => "token",
        }
    }

    /// The repository's own part of paths.
    fn repository(self, path: &str, rest: &[&str]) -> Vec<String> {
        let mut parts = match self {
            // One part, its slashes encoded.
            Self::GitLab => vec!["projects".to_owned(), path.to_owned()],
            Self::GitHub | Self::Gitea => {
                let (owner, name) = path.split_once('/').unwrap_or((path, ""));
                vec!["repos".to_owned(), owner.to_owned(), name.to_owned()]
            }
        };
        parts.extend(rest.iter().map(|part| (*part).to_owned()));
        parts
    }

    /// Issues and pull requests share their comments' paths, but not on GitLab.
    fn thread(self, target: &Target, rest: &[&str]) -> Vec<String> {
        let number = target.number.to_string();
        let of = match (self, target.is_pull) {
            (Self::GitLab, true) => "merge_requests",
            (Self::GitLab, false) | (Self::GitHub | Self::Gitea, _) => "issues",
        };
        let rest = [&[of, number.as_str()], rest].concat();
        self.repository(&target.repository, &rest)
    }

    fn pull(self, target: &Target, rest: &[&str]) -> Vec<String> {
        let number = target.number.to_string();
        let of = match self {
            Self::GitLab => "merge_requests",
            Self::GitHub | Self::Gitea => "pulls",
        };
        let rest = [&[of, number.as_str()], rest].concat();
        self.repository(&target.repository, &rest)
    }

    /// What a person may do in a repository.
    pub fn permission(self, repository: &str, person: &Person) -> Call {
        let id = person.id.to_string();
        let rest: [&str; 3] = match self {
            Self::GitLab => ["members", "all", &id],
            Self::GitHub | Self::Gitea => ["collaborators", &person.login, "permission"],
        };
        Call::get(self.repository(repository, &rest))
    }

    /// The answer to it: nothing for somebody else of the same login.
    pub fn read_permission(self, answer: &Value, person: &Person) -> Level {
        let id = match self {
            Self::GitLab => &answer["id"],
            Self::GitHub | Self::Gitea => &answer["user"]["id"],
        };
        if id.as_u64() != Some(person.id) {
            return Level::None;
        }
        match self {
            Self::GitHub | Self::Gitea => {
                let level = |name: &str| match answer[name].as_str() {
                    Some("owner") => Level::Admin,
                    // A role of the owner's own making says what it is in `permission`.
                    level => level.and_then(Level::parse).unwrap_or(Level::None),
                };
                level("permission").max(level("role_name"))
            }
            Self::GitLab => match answer["access_level"].as_u64().unwrap_or(0) {
                0..10 => Level::None,
                10..20 => Level::Read,
                20..30 => Level::Triage,
                30..40 => Level::Write,
                40..50 => Level::Maintain,
                50.. => Level::Admin,
            },
        }
    }

    /// Eyes, where there can be some.
    pub fn eyes(self, at: &At<'_>) -> Option<Call> {
        let At { target, place } = at;
        let id = match place {
            Place::Top => None,
            Place::Comment { id } | Place::Line { id, .. } => Some(id.to_string()),
            Place::Review { .. } => return None,
        };
        let content = json!({"content": "eyes"});
        let of_line = matches!(place, Place::Line { .. });
        Some(match (self, id) {
            (Self::GitLab, None) => {
                let path = self.thread(target, &["award_emoji"]);
                Call::send(Verb::Post, path, json!({"name": "eyes"}))
            }
            (Self::GitLab, Some(id)) => {
                let path = self.thread(target, &["notes", &id, "award_emoji"]);
                Call::send(Verb::Post, path, json!({"name": "eyes"}))
            }
            (Self::GitHub | Self::Gitea, None) => {
                Call::send(Verb::Post, self.thread(target, &["reactions"]), content)
            }
            (Self::GitHub, Some(id)) if of_line => {
                let rest = ["pulls", "comments", &id, "reactions"];
                Call::send(
                    Verb::Post,
                    self.repository(&target.repository, &rest),
                    content,
                )
            }
            (Self::GitHub | Self::Gitea, Some(id)) => {
                let rest = ["issues", "comments", &id, "reactions"];
                Call::send(
                    Verb::Post,
                    self.repository(&target.repository, &rest),
                    content,
                )
            }
        })
    }

    /// The issue or pull request itself.
    pub fn top(self, target: &Target) -> Call {
        match target.is_pull {
            true => Call::get(self.pull(target, &[])),
            false => Call::get(self.thread(target, &[])),
        }
    }

    /// The answer to it; `None` if it is not one.
    pub fn read_top(self, answer: &Value, target: &Target) -> Option<Top> {
        let (body, by, is_open, comments) = match self {
            Self::GitLab => (
                text(answer, "description"),
                text(&answer["author"], "username"),
                answer["state"] == "opened",
                &answer["user_notes_count"],
            ),
            Self::GitHub | Self::Gitea => (
                text(answer, "body"),
                text(&answer["user"], "login"),
                answer["state"] == "open",
                &answer["comments"],
            ),
        };
        let pull = match target.is_pull {
            true => Some(self.refs(answer)?),
            false => None,
        };
        Some(Top {
            title: answer["title"].as_str()?.to_owned(),
            body,
            by,
            at: text(answer, "created_at"),
            is_open,
            comments: comments.as_u64().unwrap_or(0),
            pull,
        })
    }

    fn refs(self, answer: &Value) -> Option<PullRefs> {
        let own = |value: &Value| value.as_str().map(str::to_owned);
        match self {
            Self::GitLab => Some(PullRefs {
                branch: own(&answer["source_branch"])?,
                commit: own(&answer["sha"])?,
                base: own(&answer["target_branch"])?,
                is_own: answer["source_project_id"] == answer["target_project_id"],
            }),
            Self::GitHub | Self::Gitea => {
                let (head, base) = (&answer["head"], &answer["base"]);
                Some(PullRefs {
                    branch: own(&head["ref"])?,
                    commit: own(&head["sha"])?,
                    base: own(&base["ref"])?,
                    // A fork that was deleted is null.
                    is_own: head["repo"]["id"].is_u64() && head["repo"]["id"] == base["repo"]["id"],
                })
            }
        }
    }

    /// Comments of the conversation, oldest first but on GitLab; Gitea gives all at once. `since` is a time as the server writes it.
    pub fn comments(self, target: &Target, since: Option<&str>, page: u64) -> Call {
        let call = match self {
            Self::GitHub => Call::get(self.thread(target, &["comments"]))
                .with("per_page", PAGE.to_string())
                .with("page", page.to_string()),
            Self::GitLab => Call::get(self.thread(target, &["notes"]))
                .with("order_by", "created_at")
                .with("sort", "desc")
                .with("per_page", PAGE.to_string())
                .with("page", page.to_string()),
            Self::Gitea => Call::get(self.thread(target, &["comments"])),
        };
        match (self, since) {
            (Self::GitHub | Self::Gitea, Some(since)) => call.with("since", since),
            (Self::GitHub | Self::Gitea, None) | (Self::GitLab, _) => call,
        }
    }

    /// The page with the newest comments.
    pub fn newest_page(self, top: &Top) -> u64 {
        match self {
            Self::GitHub => top.comments.div_ceil(PAGE).max(1),
            Self::GitLab | Self::Gitea => 1,
        }
    }

    /// What people wrote, of one page, oldest first. What a server wrote itself is left out.
    pub fn read_comments(self, answer: &Value) -> Option<Vec<Said>> {
        let list = answer.as_array()?.iter();
        let mut said: Vec<Said> = list
            .filter(|one| one["system"] != true)
            .filter_map(|one| self.read_said(one))
            .collect();
        said.sort_by_key(|one| one.id);
        Some(said)
    }

    fn read_said(self, one: &Value) -> Option<Said> {
        let (by, text_of, path, line) = match self {
            Self::GitLab => {
                let position = &one["position"];
                (
                    text(&one["author"], "username"),
                    "body",
                    &position["new_path"],
                    &position["new_line"],
                )
            }
            Self::GitHub | Self::Gitea => (
                text(&one["user"], "login"),
                "body",
                &one["path"],
                match one["line"].is_u64() {
                    true => &one["line"],
                    false => &one["original_line"],
                },
            ),
        };
        Some(Said {
            id: one["id"].as_u64()?,
            by,
            at: text(one, "created_at"),
            text: text(one, text_of),
            on: path.as_str().map(|path| (path.to_owned(), line.as_u64())),
        })
    }

    /// The newest comments on lines, where they are apart from the others.
    pub fn line_comments(self, target: &Target) -> Option<Call> {
        match self {
            Self::GitHub => Some(
                Call::get(self.pull(target, &["comments"]))
                    .with("sort", "created")
                    .with("direction", "desc")
                    .with("per_page", PAGE.to_string()),
            ),
            // GitLab's are among the notes; Gitea's are asked for by review.
            Self::GitLab | Self::Gitea => None,
        }
    }

    /// Writes a comment into the conversation.
    pub fn comment(self, target: &Target, body: &str) -> Call {
        let rest = match self {
            Self::GitLab => "notes",
            Self::GitHub | Self::Gitea => "comments",
        };
        Call::send(
            Verb::Post,
            self.thread(target, &[rest]),
            json!({"body": body}),
        )
    }

    /// Writes one anew.
    pub fn edit(self, target: &Target, comment: u64, body: &str) -> Call {
        let (id, body) = (comment.to_string(), json!({"body": body}));
        match self {
            Self::GitLab => Call::send(Verb::Put, self.thread(target, &["notes", &id]), body),
            Self::GitHub | Self::Gitea => {
                let rest = ["issues", "comments", &id];
                let path = self.repository(&target.repository, &rest);
                Call::send(Verb::Patch, path, body)
            }
        }
    }

    /// What a pull request changes, a page of it.
    pub fn files(self, target: &Target, page: u64) -> Option<Call> {
        let rest = match self {
            Self::GitHub => "files",
            Self::GitLab => "diffs",
            // It lists files without what changed in them.
            Self::Gitea => return None,
        };
        let call = Call::get(self.pull(target, &[rest]));
        Some(
            call.with("per_page", PAGE.to_string())
                .with("page", page.to_string()),
        )
    }

    pub fn read_files(self, answer: &Value) -> Option<Vec<FileDiff>> {
        let list = answer.as_array()?.iter();
        let files = list.filter_map(|one| match self {
            Self::GitHub | Self::Gitea => Some(FileDiff {
                path: one["filename"].as_str()?.to_owned(),
                old_path: one["previous_filename"].as_str().map(str::to_owned),
                patch: text(one, "patch"),
            }),
            Self::GitLab => {
                let path = one["new_path"].as_str()?.to_owned();
                let old = one["old_path"].as_str().filter(|old| *old != path);
                Some(FileDiff {
                    old_path: old.map(str::to_owned),
                    path,
                    patch: text(one, "diff"),
                })
            }
        });
        Some(files.collect())
    }

    /// A review with comments on lines, where a server takes one at once; elsewhere it is a comment: [`Review::as_comment`].
    pub fn review(self, target: &Target, commit: &str, review: &Review) -> Option<Call> {
        let comments: Vec<Value> = review
            .comments
            .iter()
            .map(|one| self.on_line(one))
            .collect();
        let body = json!({"commit_id": commit, "event": "COMMENT", "body": review.body, "comments": comments});
        match self {
            Self::GitHub | Self::Gitea => Some(Call::send(
                Verb::Post,
                self.pull(target, &["reviews"]),
                body,
            )),
            Self::GitLab => None,
        }
    }

    fn on_line(self, one: &crate::review::OnLine) -> Value {
        let crate::review::OnLine {
            path,
            line,
            is_old,
            body,
        } = one;
        let side = if *is_old { "LEFT" } else { "RIGHT" };
        match self {
            Self::GitHub | Self::GitLab => {
                json!({"path": path, "line": line, "side": side, "body": body})
            }
            Self::Gitea if *is_old => json!({"path": path, "old_position": line, "body": body}),
            Self::Gitea => json!({"path": path, "new_position": line, "body": body}),
        }
    }

    /// The reviews that there are, in which our mark is looked for.
    pub fn reviews(self, target: &Target, page: u64) -> Call {
        let size = match self {
            Self::Gitea => "limit",
            Self::GitHub | Self::GitLab => "per_page",
        };
        Call::get(self.pull(target, &["reviews"]))
            .with(size, PAGE.min(50).to_string())
            .with("page", page.to_string())
    }

    /// The checks of a group that did not pass.
    pub fn checks(self, repository: &str, suite: u64) -> Option<Call> {
        let suite = suite.to_string();
        match self {
            Self::GitHub => {
                let path = self.repository(repository, &["check-suites", &suite, "check-runs"]);
                Some(Call::get(path).with("per_page", PAGE.to_string()))
            }
            Self::GitLab => {
                let path = self.repository(repository, &["pipelines", &suite, "jobs"]);
                Some(Call::get(path).with("scope[]", "failed"))
            }
            Self::Gitea => None,
        }
    }

    pub fn read_checks(self, answer: &Value) -> Vec<FailedCheck> {
        let list = match self {
            Self::GitLab | Self::Gitea => answer,
            Self::GitHub => &answer["check_runs"],
        };
        let failed = list.as_array().into_iter().flatten().filter(|one| {
            let state = match self {
                Self::GitHub => &one["conclusion"],
                Self::GitLab | Self::Gitea => &one["status"],
            };
            ["failure", "failed", "timed_out"]
                .iter()
                .any(|it| state == it)
        });
        let check = |one: &Value| {
            let output = &one["output"];
            let parts = [
                text(output, "title"),
                text(output, "summary"),
                text(output, "text"),
                text(one, "failure_reason"),
            ];
            let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
            Some(FailedCheck {
                id: one["id"].as_u64()?,
                name: text(one, "name"),
                text: parts.join("\n"),
            })
        };
        failed.filter_map(check).collect()
    }

    /// What a check says of lines.
    pub fn annotations(self, repository: &str, check: u64) -> Option<Call> {
        match self {
            Self::GitHub => {
                let check = check.to_string();
                let path = self.repository(repository, &["check-runs", &check, "annotations"]);
                Some(Call::get(path).with("per_page", "50"))
            }
            Self::GitLab | Self::Gitea => None,
        }
    }

    /// One line for each.
    pub fn read_annotations(self, answer: &Value) -> String {
        let lines = answer.as_array().into_iter().flatten().map(|one| {
            let line = one["start_line"].as_u64().unwrap_or(0);
            let (path, message) = (text(one, "path"), text(one, "message"));
            format!("{path}:{line}: {message}\n")
        });
        lines.collect()
    }
}
