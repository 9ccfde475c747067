//! GitHub's own examples of deliveries, and what the others' documentation shows.

use outwork_forges::event::{Event, Incoming, Person, Place, Reduced, Repository, What};
use outwork_forges::mention::{NAME, Wish};
use outwork_forges::{gitea, github, gitlab};
use serde_json::{Value, json};

use outwork_test_github::EXAMPLES;

fn example(event: &str, action: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(EXAMPLES).expect("JSON");
    let mut fitting = all.into_iter().filter(|one| {
        one["event"] == event && (action.is_empty() || one["payload"]["action"] == action)
    });
    fitting.next().expect("an example")["payload"].take()
}

fn read(event: &str, payload: &Value) -> Reduced {
    let body = serde_json::to_vec(payload).expect("JSON");
    github::read(event, "d-1", &body, NAME).expect("it is read")
}

fn one(reduced: Reduced) -> Incoming {
    match reduced {
        Reduced::Events(mut events) if events.len() == 1 => events.remove(0),
        other => panic!("{other:?}"),
    }
}

fn cat() -> Person {
    Person {
        login: "Codertocat".to_owned(),
        id: 21_031_067,
    }
}

fn mentioned(place: Place, text: &str) -> What {
    What::Mention {
        by: cat(),
        place,
        wish: Wish::Work(text.to_owned()),
    }
}

#[test]
fn no_example_means_anything_as_it_is() {
    let all: Vec<Value> = serde_json::from_str(EXAMPLES).expect("JSON");
    for one in all {
        let event = one["event"].as_str().expect("a name");
        let action = one["payload"]["action"].as_str().unwrap_or_default();
        let reduced = read(event, &one["payload"]);
        let means = matches!(action, "labeled" | "closed");
        match reduced {
            Reduced::Ignored(_) => assert!(!means, "{event} {action}"),
            Reduced::Events(events) => assert!(means, "{event} {action}: {events:?}"),
        }
    }
}

#[test]
fn a_comment_that_calls_is_a_mention() {
    let mut payload = example("issue_comment", "created");
    payload["comment"]["body"] = json!("@outwork fix it");
    payload["installation"] = json!({"id": 5});
    let incoming = one(read("issue_comment", &payload));
    assert_eq!(
        incoming,
        Incoming {
            key: "codertocat/hello-world:mention:comment:492700400".to_owned(),
            event: Event {
                repository: Repository {
                    path: "Codertocat/Hello-World".to_owned(),
                    url: "https://github.com/Codertocat/Hello-World.git".to_owned(),
                },
                number: 1,
                is_pull: false,
                installation: Some(5),
                what: mentioned(Place::Comment { id: 492_700_400 }, "fix it"),
            },
        }
    );
    assert_eq!(
        incoming.event.conversation("github"),
        "github:codertocat/hello-world#1"
    );
    let kept = serde_json::to_string(&incoming.event).expect("JSON");
    let back: Event = serde_json::from_str(&kept).expect("the same");
    assert_eq!(back, incoming.event);
    payload["issue"]["pull_request"] = json!({"url": "…"});
    assert!(one(read("issue_comment", &payload)).event.is_pull);
}

#[test]
fn an_edit_counts_only_when_it_is_what_calls() {
    let mut payload = example("issue_comment", "edited");
    payload["comment"]["body"] = json!("@outwork fix it");
    let user = payload["comment"]["user"].clone();
    payload["sender"] = user;
    payload["changes"] = json!({"body": {"from": "fix it"}});
    assert_eq!(
        one(read("issue_comment", &payload)).key.rsplit(':').nth(1),
        Some("comment")
    );
    payload["changes"] = json!({"body": {"from": "@outwork fix"}});
    assert!(
        matches!(read("issue_comment", &payload), Reduced::Ignored(why) if why.contains("before the edit"))
    );
    payload["changes"] = json!({"body": {"from": "fix it"}});
    payload["sender"]["id"] = json!(4);
    assert!(
        matches!(read("issue_comment", &payload), Reduced::Ignored(why) if why.contains("somebody else"))
    );
}

#[test]
fn bots_and_our_own_words_call_nobody() {
    let mut payload = example("issue_comment", "created");
    payload["comment"]["body"] = json!("@outwork fix it");
    for (field, value) in [("type", json!("Bot")), ("login", json!("dependabot[bot]"))] {
        let mut payload = payload.clone();
        payload["sender"][field] = value;
        assert!(matches!(
            read("issue_comment", &payload),
            Reduced::Ignored("a bot did it")
        ));
    }
    payload["comment"]["body"] = json!("<!-- outwork:post x -->\n@outwork fix it");
    assert!(matches!(
        read("issue_comment", &payload),
        Reduced::Ignored("it is our own")
    ));
}

#[test]
fn issues_and_pull_requests_call_in_their_own_text() {
    let mut payload = example("issues", "opened");
    payload["issue"]["body"] = json!("It is off. @outwork");
    let by = payload["sender"].clone();
    payload["issue"]["user"] = by;
    let Incoming { key, event } = one(read("issues", &payload));
    assert!(key.contains(":mention:issue:"), "{key}");
    assert!(
        matches!(
            event.what,
            What::Mention {
                place: Place::Top,
                ..
            }
        ),
        "{event:?}"
    );
    let mut payload = example("pull_request", "opened");
    payload["pull_request"]["body"] = json!("@outwork review");
    let by = payload["sender"].clone();
    payload["pull_request"]["user"] = by;
    let Incoming { key, event } = one(read("pull_request", &payload));
    assert!(key.contains(":mention:pull:") && event.is_pull, "{key}");
    assert!(
        matches!(
            event.what,
            What::Mention {
                wish: Wish::Review(_),
                ..
            }
        ),
        "{event:?}"
    );
}

#[test]
fn reviews_and_comments_on_lines_call_too() {
    let mut payload = example("pull_request_review", "submitted");
    payload["review"]["body"] = json!("@outwork do that");
    let event = one(read("pull_request_review", &payload)).event;
    assert_eq!(
        event.what,
        mentioned(Place::Review { id: 237_895_671 }, "do that")
    );
    assert!(event.is_pull);
    let mut payload = example("pull_request_review_comment", "created");
    payload["comment"]["body"] = json!("@outwork do that");
    let event = one(read("pull_request_review_comment", &payload)).event;
    let What::Mention {
        place: Place::Line { id, path, hunk, .. },
        ..
    } = event.what
    else {
        panic!("{event:?}");
    };
    assert_eq!(
        (id, path.as_str(), hunk.as_str()),
        (284_312_630, "README.md", "@@ -1 +1 @@\n-# Hello-World")
    );
}

#[test]
fn labels_ends_and_checks_are_told() {
    let event = one(read("issues", &example("issues", "labeled"))).event;
    assert!(matches!(event.what, What::Labelled { .. }), "{event:?}");
    let event = one(read("pull_request", &example("pull_request", "closed"))).event;
    assert!(
        matches!(event.what, What::Closed { merged: false }),
        "{event:?}"
    );
    let mut payload = example("check_suite", "completed");
    payload["check_suite"]["conclusion"] = json!("failure");
    let Incoming { key, event } = one(read("check_suite", &payload));
    let commit = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
    assert_eq!(key, format!("codertocat/hello-world:checks:2:{commit}"));
    assert_eq!(
        event.what,
        What::ChecksFailed {
            suite: 118_578_147,
            commit: commit.to_owned()
        }
    );
    payload["check_suite"]["pull_requests"] = json!([]);
    assert!(matches!(read("check_suite", &payload), Reduced::Ignored(_)));
}

#[test]
fn what_is_broken_is_said_to_be() {
    let whole = serde_json::to_vec(&example("issue_comment", "created")).expect("JSON");
    for broken in [
        &b""[..],
        b"payload=%7B%7D",
        b"\xff\xfe",
        b"[]",
        &whole[..whole.len() - 1],
    ] {
        assert!(github::read("issue_comment", "d", broken, NAME).is_err());
    }
    assert!(github::read("star", "d", b"{", NAME).is_err());
    for odd in [
        json!({}),
        json!({"action": "created"}),
        json!({"action": "created", "sender": {"login": "a", "id": 1}}),
    ] {
        assert!(
            matches!(read("issue_comment", &odd), Reduced::Ignored(_)),
            "{odd}"
        );
    }
    assert!(github::read("issue_comment", "d", br#"{"comment": {"id": -1}}"#, NAME).is_err());
}

#[test]
fn ten_megabytes_are_read_and_not_kept() {
    let mut payload = example("issue_comment", "created");
    payload["comment"]["body"] = json!(format!("@outwork {}", "ä".repeat(5 << 20)));
    let event = one(read("issue_comment", &payload)).event;
    assert!(serde_json::to_string(&event).expect("JSON").len() < 70_000);
}

/// As GitLab's documentation on webhook events shows a comment on an issue.
fn note() -> Value {
    json!({"object_kind": "note", "event_type": "note",
        "user": {"id": 1, "name": "Administrator", "username": "root", "avatar_url": "…", "email": "[REDACTED]"},
        "project_id": 5, "project": {"id": 5, "name": "Gitlab Test", "web_url": "http://example.com/gitlab-org/gitlab-test",
            "git_ssh_url": "git@example.com:gitlab-org/gitlab-test.git", "git_http_url": "http://example.com/gitlab-org/gitlab-test.git",
            "path_with_namespace": "gitlab-org/gitlab-test", "default_branch": "master"},
        "object_attributes": {"id": 1241, "note": "@outwork look", "noteable_type": "Issue", "author_id": 1, "project_id": 5,
            "noteable_id": 92, "system": false, "action": "create", "url": "http://example.com/gitlab-org/gitlab-test/issues/17#note_1241"},
        "issue": {"id": 92, "title": "test", "iid": 17, "state": "closed"}})
}

fn lab(payload: &Value) -> Reduced {
    gitlab::read("d-1", &serde_json::to_vec(payload).expect("JSON"), NAME).expect("it is read")
}

#[test]
fn gitlab_is_read_as_it_is_documented() {
    let Incoming { key, event } = one(lab(&note()));
    assert_eq!(key, "gitlab-org/gitlab-test:mention:note:1241");
    assert_eq!((event.number, event.is_pull), (17, false));
    assert_eq!(
        event.conversation("gitlab"),
        "gitlab:gitlab-org/gitlab-test#17"
    );
    let mut on_request = note();
    on_request["object_attributes"]["noteable_type"] = json!("MergeRequest");
    on_request["object_attributes"]["position"] = json!({"new_path": "a.rs", "new_line": 4});
    on_request["merge_request"] = json!({"id": 7, "iid": 1});
    let event = one(lab(&on_request)).event;
    assert_eq!(
        event.conversation("gitlab"),
        "gitlab:gitlab-org/gitlab-test!1"
    );
    assert!(matches!(
        event.what,
        What::Mention {
            place: Place::Line { line: Some(4), .. },
            ..
        }
    ));
    for (path, value) in [
        ("system", json!(true)),
        ("noteable_type", json!("Commit")),
        ("author_id", json!(2)),
        ("note", json!("look")),
    ] {
        let mut other = note();
        other["object_attributes"][path] = value;
        assert!(matches!(lab(&other), Reduced::Ignored(_)), "{path}");
    }
    let mut bot = note();
    bot["user"]["username"] = json!("project_5_bot_abc");
    assert!(matches!(lab(&bot), Reduced::Ignored("a bot did it")));
}

#[test]
fn gitlabs_issues_labels_and_pipelines_are_read() {
    let mut payload = note();
    payload["object_kind"] = json!("issue");
    payload["object_attributes"] = json!({"id": 301, "iid": 23, "action": "open", "description": "@outwork go", "author_id": 1});
    assert_eq!(
        one(lab(&payload)).key,
        "gitlab-org/gitlab-test:mention:issue:23"
    );
    payload["object_attributes"]["action"] = json!("update");
    payload["changes"] =
        json!({"description": {"previous": "@outwork go", "current": "@outwork go now"}});
    assert!(matches!(lab(&payload), Reduced::Ignored(_)));
    payload["changes"] = json!({"labels": {"previous": [{"title": "API"}], "current": [{"title": "API"}, {"title": "outwork"}]}});
    let event = one(lab(&payload)).event;
    assert!(matches!(event.what, What::Labelled { label, .. } if label == "outwork"));
    let pipeline = json!({"object_kind": "pipeline", "user": payload["user"], "project": payload["project"],
        "object_attributes": {"id": 31, "iid": 3, "ref": "x", "sha": "bcbb5ec396a2c0f828686f14fac9b80b780504f2", "status": "failed"},
        "merge_request": {"id": 1, "iid": 1, "source_branch": "x"}});
    let event = one(lab(&pipeline)).event;
    assert!(matches!(event.what, What::ChecksFailed { suite: 31, .. }) && event.is_pull);
    let mut merged = note();
    merged["object_kind"] = json!("merge_request");
    merged["object_attributes"] = json!({"id": 99, "iid": 1, "action": "merge"});
    assert!(matches!(
        one(lab(&merged)).event.what,
        What::Closed { merged: true }
    ));
    assert!(gitlab::read("d", b"{", NAME).is_err());
}

#[test]
fn gitea_is_read_where_it_differs() {
    let payload = json!({"action": "created", "is_pull": true, "sender": {"id": 1, "login": "ada"},
        "issue": {"id": 9, "number": 4, "body": "x", "user": {"id": 2, "login": "bob"}, "pull_request": null},
        "comment": {"id": 77, "body": "@outwork go", "user": {"id": 1, "login": "ada"}},
        "repository": {"id": 3, "full_name": "team/repo", "clone_url": "https://tea.example/team/repo.git"}});
    let read = |kind: &str, payload: &Value| {
        gitea::read(
            kind,
            "d-1",
            &serde_json::to_vec(payload).expect("JSON"),
            NAME,
        )
        .expect("it is read")
    };
    let Incoming { key, event } = one(read("issue_comment", &payload));
    assert_eq!(
        (key.as_str(), event.is_pull, event.number),
        ("team/repo:mention:comment:77", true, 4)
    );
    let mut edited = payload.clone();
    edited["action"] = json!("edited");
    edited["changes"] = json!({"body": {"from": "@outwork"}});
    assert!(matches!(
        read("issue_comment", &edited),
        Reduced::Ignored(_)
    ));
    let closed = json!({"action": "closed", "sender": payload["sender"], "repository": payload["repository"],
        "pull_request": {"number": 4, "body": null, "user": null, "merged": true}});
    assert!(matches!(
        one(read("pull_request", &closed)).event.what,
        What::Closed { merged: true }
    ));
    assert!(matches!(read("push", &json!({})), Reduced::Ignored(_)));
}
