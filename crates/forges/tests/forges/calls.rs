//! Every request that is sent to GitHub is one that its own description knows.

use outwork_forges::call::{At, Call, Level, Target, Verb};
use outwork_forges::event::{Person, Place};
use outwork_forges::review::{OnLine, Review};
use outwork_forges::{Kind, app};
use serde_json::json;

use outwork_test_github::Description;

fn target(is_pull: bool) -> Target {
    Target {
        repository: "team/repo".to_owned(),
        number: 7,
        is_pull,
    }
}

fn ada() -> Person {
    Person {
        login: "ada".to_owned(),
        id: 3,
    }
}

fn line() -> Place {
    Place::Line {
        id: 11,
        path: "a.rs".to_owned(),
        line: Some(2),
        hunk: String::new(),
    }
}

/// Every call that a kind of server is ever sent.
fn all(kind: Kind) -> Vec<Call> {
    let (issue, pull) = (target(false), target(true));
    let review = Review {
        body: "Two things.".to_owned(),
        comments: [true, false]
            .map(|is_old| OnLine {
                path: "a.rs".to_owned(),
                line: 2,
                is_old,
                body: "Why?".to_owned(),
            })
            .to_vec(),
    };
    let mut calls = vec![
        kind.permission("team/repo", &ada()),
        kind.top(&issue),
        kind.top(&pull),
        kind.comments(&issue, Some("2026-01-01T00:00:00Z"), 1),
        kind.comments(&pull, None, 3),
        kind.comment(&issue, "Hello"),
        kind.comment(&pull, "Hello"),
        kind.edit(&issue, 5, "Hello"),
        kind.edit(&pull, 5, "Hello"),
        kind.reviews(&pull, 1),
    ];
    calls.extend(
        [
            kind.line_comments(&pull),
            kind.files(&pull, 1),
            kind.review(&pull, "0123456789012345678901234567890123456789", &review),
            kind.checks("team/repo", 9),
            kind.annotations("team/repo", 10),
        ]
        .into_iter()
        .flatten(),
    );
    for place in [
        Place::Top,
        Place::Comment { id: 5 },
        line(),
        Place::Review { id: 6 },
    ] {
        for target in [&issue, &pull] {
            calls.extend(kind.eyes(&At {
                target,
                place: &place,
            }));
        }
    }
    calls
}

#[test]
fn github_knows_every_request() {
    let description = Description::read();
    let mut calls = all(Kind::GitHub);
    calls.push(app::installation_token(4, "team/repo"));
    calls.push(app::installation_of("team/repo"));
    calls.push(app::conversion("code"));
    for Call {
        verb,
        path,
        query,
        body,
    } in calls
    {
        let method = format!("{verb:?}");
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query: Vec<&str> = query.iter().map(|(name, _)| *name).collect();
        let wrong = description.request(&method, &path, &query, body.as_ref());
        assert!(wrong.is_empty(), "{method} {path:?} {body:?}: {wrong:?}");
    }
}

#[test]
fn the_description_refuses_what_it_does_not_know() {
    let description = Description::read();
    let path = ["repos", "team", "repo", "issues", "7", "comments"];
    let wrong = |path: &[&str], query: &[&str], body: Option<serde_json::Value>| {
        description.request("POST", path, query, body.as_ref())
    };
    assert!(wrong(&path, &[], Some(json!({"body": "x"}))).is_empty());
    assert!(!wrong(&path, &[], Some(json!({"body": 1}))).is_empty());
    assert!(!wrong(&path, &[], Some(json!({"text": "x"}))).is_empty());
    assert!(!wrong(&path, &["page"], Some(json!({"body": "x"}))).is_empty());
    assert!(!wrong(&path, &[], None).is_empty());
    assert!(!wrong(&path[1..], &[], None).is_empty());
    let reaction = ["repos", "team", "repo", "issues", "7", "reactions"];
    assert!(!wrong(&reaction, &[], Some(json!({"content": "frown"}))).is_empty());
    assert!(
        !description
            .answer("GET", &path, 200, &json!([{"id": "1"}]))
            .is_empty()
    );
}

#[test]
fn gitlab_and_gitea_are_asked_at_their_own_paths() {
    let shown = |kind| {
        let calls = all(kind)
            .into_iter()
            .map(|Call { verb, path, .. }| format!("{verb:?} {}", path.join("/")));
        calls.collect::<Vec<_>>()
    };
    let lab = shown(Kind::GitLab);
    for one in [
        "Get projects/team/repo/members/all/3",
        "Get projects/team/repo/issues/7",
        "Get projects/team/repo/merge_requests/7",
        "Post projects/team/repo/issues/7/notes",
        "Put projects/team/repo/merge_requests/7/notes/5",
        "Post projects/team/repo/merge_requests/7/notes/11/award_emoji",
        "Post projects/team/repo/issues/7/award_emoji",
        "Get projects/team/repo/merge_requests/7/diffs",
        "Get projects/team/repo/pipelines/9/jobs",
    ] {
        assert!(lab.iter().any(|it| it == one), "{one} in {lab:#?}");
    }
    let tea = shown(Kind::Gitea);
    for one in [
        "Get repos/team/repo/collaborators/ada/permission",
        "Post repos/team/repo/issues/7/comments",
        "Patch repos/team/repo/issues/comments/5",
        "Post repos/team/repo/pulls/7/reviews",
        "Post repos/team/repo/issues/comments/11/reactions",
    ] {
        assert!(tea.iter().any(|it| it == one), "{one} in {tea:#?}");
    }
    assert!(
        all(Kind::GitLab)
            .iter()
            .all(|call| call.path[1] == "team/repo")
    );
    let verbs = all(Kind::Gitea)
        .into_iter()
        .filter(|call| call.verb == Verb::Put)
        .count();
    assert_eq!(verbs, 0);
}

#[test]
fn permissions_are_of_the_very_person() {
    let hub = |permission: &str, role: &str, id: u64| {
        let answer = json!({"permission": permission, "role_name": role, "user": {"login": "ada", "id": id}});
        Kind::GitHub.read_permission(&answer, &ada())
    };
    assert_eq!(hub("write", "maintain", 3), Level::Maintain);
    assert_eq!(hub("write", "our own role", 3), Level::Write);
    assert_eq!(hub("read", "triage", 3), Level::Triage);
    assert_eq!(hub("none", "none", 3), Level::None);
    // The login was given to somebody else.
    assert_eq!(hub("admin", "admin", 4), Level::None);
    let lab =
        |level: u64| Kind::GitLab.read_permission(&json!({"id": 3, "access_level": level}), &ada());
    assert_eq!(
        [lab(10), lab(20), lab(30), lab(40), lab(50), lab(5)],
        [
            Level::Read,
            Level::Triage,
            Level::Write,
            Level::Maintain,
            Level::Admin,
            Level::None
        ]
    );
    let tea = json!({"permission": "owner", "user": {"id": 3}});
    assert_eq!(Kind::Gitea.read_permission(&tea, &ada()), Level::Admin);
    assert_eq!(
        Kind::GitHub.read_permission(&json!(null), &ada()),
        Level::None
    );
}
