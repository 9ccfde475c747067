//! What is published after something was published.

use std::path::Path;

use serde_json::json;

use super::forge::Kind;
use super::{Scene, change};
use crate::rig::repository;

fn more(clone: &Path) {
    std::fs::write(clone.join("more"), "more\n").expect("a file");
}

impl Scene {
    async fn follow_up(&self, task: &str) {
        let path = format!("/api/v1/tasks/{task}/turns");
        let user = self.rig.user();
        user.post(&path, &json!({"prompt": "More"}))
            .await
            .expect(201);
        self.work(more).await;
    }

    /// Somebody pushes a commit of their own to the branch. Answers it.
    fn pushed_by_others(&self, branch: &str) -> String {
        let other = self.rig.directory.path().join("other");
        let other_at = other.display().to_string();
        let bare = self.forge.repository.display().to_string();
        repository::git(
            self.rig.directory.path(),
            &["clone", "--quiet", "--branch", branch, &bare, &other_at],
        );
        std::fs::write(other.join("theirs"), "theirs\n").expect("a file");
        repository::commit(&other, "theirs");
        repository::git(&other, &["push", "--quiet", "origin", branch]);
        repository::tip(&other, branch)
    }
}

async fn continues(kind: Kind) {
    let scene = Scene::start(kind).await;
    let task = scene.done(change).await;
    let first = scene.publish(&task, json!({"draft": true})).await;
    assert_eq!(first["pull_request"]["state"], "draft", "{first:#}");
    scene
        .forge
        .edit(|pull| pull.body = format!("Before.\n{}\nAfter.", pull.body));
    scene.follow_up(&task).await;
    let second = scene.publish(&task, json!({"title": "More sums"})).await;
    assert_eq!(second["pull_request"], first["pull_request"], "{second:#}");
    let branch = second["branch"].as_str().expect("a branch");
    assert_eq!(first["branch"], branch);
    // On top of the first, with the whole work.
    assert_eq!(
        scene
            .forge
            .git(&["rev-parse", &format!("{branch}^")])
            .trim(),
        first["commit"]
    );
    assert_eq!(
        scene
            .forge
            .git(&["rev-parse", &format!("{branch}^{{tree}}")]),
        scene.tree()
    );
    let pulls = scene.forge.pulls();
    assert_eq!((pulls.len(), scene.forge.pushes()), (1, 2));
    let expected = match kind {
        Kind::GitHub => "More sums",
        Kind::GitLab => "Draft: More sums",
        Kind::Gitea => "WIP: More sums",
    };
    assert_eq!(pulls[0].title, expected);
    let body = &pulls[0].body;
    assert!(
        body.starts_with("Before.\n<!--") && body.ends_with("-->\nAfter."),
        "{body}"
    );
    assert!(
        body.contains("| `more` | added |") && body.contains(": turn 2, attempt 1"),
        "{body}"
    );
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_follow_up_goes_on_in_the_same_pull_request_of_github() {
    continues(Kind::GitHub).await;
}

#[tokio::test]
async fn a_follow_up_goes_on_in_the_same_merge_request_of_gitlab() {
    continues(Kind::GitLab).await;
}

#[tokio::test]
async fn a_follow_up_goes_on_in_the_same_pull_request_of_gitea() {
    continues(Kind::Gitea).await;
}

#[tokio::test]
async fn a_commit_of_somebody_else_is_never_lost() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let first = scene.publish(&task, json!({})).await;
    let branch = first["branch"].as_str().expect("a branch");
    let theirs = scene.pushed_by_others(branch);
    scene.follow_up(&task).await;
    let failed = scene.publish(&task, json!({})).await;
    assert_eq!(
        failed["failure"],
        json!({"code": "branch_moved",
        "message": format!("The branch `{branch}` has the commit {}, which is not Outwork's, and is left as it is.", &theirs[..12]),
        "hint": format!("Publish to another branch with `--branch NAME`, or take that commit off `{branch}` and publish again.")})
    );
    assert_eq!(scene.forge.git(&["rev-parse", branch]).trim(), theirs);
    let task_shown = scene.rig.get(&format!("/api/v1/tasks/{task}")).await;
    assert_eq!(task_shown["pull_request"]["number"], 1, "{task_shown:#}");
    let other = scene.publish(&task, json!({"branch": "elsewhere"})).await;
    assert_eq!(other["pull_request"]["number"], 2, "{other:#}");
    assert_eq!(scene.forge.git(&["rev-parse", branch]).trim(), theirs);
    scene.rig.stop().await;
}

/// They push in the moment between the look at the branch and the push.
#[tokio::test]
async fn a_commit_pushed_at_the_same_time_is_never_lost() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let first = scene.publish(&task, json!({})).await;
    let branch = first["branch"].as_str().expect("a branch").to_owned();
    // The server's hook runs after it has said where the branch is, and before it moves it.
    let main = scene.forge.git(&["rev-parse", "main"]);
    let main = main.trim();
    scene.forge.hook(&format!(
        "env -u GIT_QUARANTINE_PATH git update-ref refs/heads/{branch} {main}"
    ));
    scene.follow_up(&task).await;
    let failed = scene.publish(&task, json!({})).await;
    assert_eq!(failed["failure"]["code"], "branch_moved", "{failed:#}");
    assert_eq!(scene.forge.git(&["rev-parse", &branch]).trim(), main);
    scene.rig.stop().await;
}

/// After a merge the branch is mostly removed, and its pull request is not open any more.
#[tokio::test]
async fn what_comes_after_a_merge_is_a_new_pull_request() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let first = scene.publish(&task, json!({})).await;
    let branch = first["branch"].as_str().expect("a branch");
    scene.forge.edit(|pull| pull.open = false);
    scene
        .forge
        .git(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
    scene.follow_up(&task).await;
    let second = scene.publish(&task, json!({})).await;
    assert_eq!(second["pull_request"]["number"], 2, "{second:#}");
    assert_eq!(
        scene
            .forge
            .git(&["rev-parse", &format!("{branch}^{{tree}}")]),
        scene.tree()
    );
    scene.rig.stop().await;
}
