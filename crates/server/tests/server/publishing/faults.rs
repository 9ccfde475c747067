//! What goes wrong: said in a sentence, or tried again until it works, and never done twice.

use reqwest::Method;
use serde_json::{Value, json};

use super::forge::{Fault, Kind, PUSH_TOKEN};
use super::{Scene, change};
use crate::rig::until;

fn answer(status: u16, message: &str) -> Fault {
    Fault::Answer(status, Vec::new(), json!({"message": message}))
}

fn with(status: u16, headers: &[(&'static str, &str)]) -> Fault {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    Fault::Answer(status, headers.collect(), json!({"message": "slow down"}))
}

/// One pull request at the end, whatever happened on the way.
async fn passes(kind: Kind, faults: Vec<(Method, Fault)>) {
    let scene = Scene::start(kind).await;
    let task = scene.done(change).await;
    let tries = faults.len();
    for (method, fault) in faults {
        scene.forge.fail(method, fault);
    }
    let published = scene.publish(&task, json!({})).await;
    assert_eq!(published["state"], "published", "{published:#}");
    assert_eq!(published["pull_request"]["number"], 1, "{published:#}");
    assert_eq!(scene.forge.pulls().len(), 1);
    assert_eq!(scene.forge.pushes(), 1, "the branch was there already");
    assert_eq!(scene.waits(&published).await, tries);
    scene.rig.stop().await;
}

#[tokio::test]
async fn trouble_of_github_passes() {
    let reset = "1795186421";
    passes(
        Kind::GitHub,
        vec![
            (Method::GET, answer(500, "oops")),
            (Method::GET, with(429, &[("retry-after", "2")])),
            (
                Method::GET,
                with(
                    403,
                    &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)],
                ),
            ),
            (Method::POST, with(403, &[("retry-after", "3")])),
            (Method::POST, answer(503, "unavailable")),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_was_lost_opens_no_second_pull_request() {
    passes(Kind::GitHub, vec![(Method::POST, Fault::DoneBut(502))]).await;
    passes(Kind::GitLab, vec![(Method::POST, Fault::DoneBut(504))]).await;
    passes(Kind::Gitea, vec![(Method::POST, Fault::DoneBut(500))]).await;
}

/// It takes the half minute that the server waits for an answer.
#[tokio::test]
async fn an_answer_that_never_comes_opens_no_second_pull_request() {
    passes(Kind::GitHub, vec![(Method::POST, Fault::DoneAndSilent)]).await;
}

/// Somebody opens one between the look and the request.
#[tokio::test]
async fn a_pull_request_that_is_there_is_taken() {
    for kind in [Kind::GitHub, Kind::GitLab, Kind::Gitea] {
        let scene = Scene::start(kind).await;
        let task = scene.done(change).await;
        scene.publish(&task, json!({})).await;
        // The first look finds nothing, though there is one.
        scene
            .forge
            .fail(Method::GET, Fault::Answer(200, Vec::new(), json!([])));
        let again = scene.publish(&task, json!({})).await;
        assert_eq!(again["pull_request"]["number"], 1, "{again:#}");
        assert_eq!(scene.forge.pulls().len(), 1);
        scene.rig.stop().await;
    }
}

/// The server is stopped while it waits for an answer, and goes on as soon as it runs again.
#[tokio::test]
async fn a_server_that_is_stopped_in_between_goes_on() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    scene.forge.fail(Method::POST, Fault::DoneAndSilent);
    let asked = scene.ask(&task, json!({})).await;
    until(async || scene.forge.pulls().len(), |count| *count == 1).await;
    let Scene {
        rig,
        forge,
        worker,
        clone,
    } = scene;
    let rig = rig.restart(std::time::Duration::from_secs(1)).await;
    let scene = Scene {
        rig,
        forge,
        worker,
        clone,
    };
    let ended = scene.ended(&asked).await;
    assert_eq!(ended["pull_request"]["number"], 1, "{ended:#}");
    assert_eq!((scene.forge.pulls().len(), scene.forge.pushes()), (1, 1));
    scene.rig.stop().await;
}

async fn fails(scene: &Scene, task: &str, fault: Fault) -> Value {
    scene.forge.fail(Method::POST, fault);
    let failed = scene.publish(task, json!({})).await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    assert!(!failed.to_string().contains(PUSH_TOKEN), "{failed:#}");
    failed["failure"].clone()
}

#[tokio::test]
async fn what_somebody_has_to_mend_is_said() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let host = scene.forge.host.clone();
    let hint = format!(
        "Store a credential that may: `outwork credential set {host} --push --token-file FILE`. \
        To publish into a fork, give an environment the fork's address."
    );
    let echo = format!("your token {PUSH_TOKEN} is bad.");
    for (fault, code, message, hint) in [
        (
            answer(401, &echo),
            "not_permitted",
            format!(
                "GitHub of {host} does not take the credential for publishing (401) (it says: your token **** is bad)."
            ),
            hint.as_str(),
        ),
        (
            answer(403, "Resource not accessible by personal access token"),
            "not_permitted",
            format!(
                "The credential may not open pull requests in team/repo of {host} (403) (it says: Resource not accessible by personal access token)."
            ),
            &hint,
        ),
        (
            answer(404, "Not Found"),
            "not_found",
            format!(
                "GitHub of {host} has no team/repo, or hides it from the credential (404) (it says: Not Found)."
            ),
            &hint,
        ),
        (
            Fault::Answer(
                422,
                Vec::new(),
                json!({"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]}),
            ),
            "refused",
            format!(
                "GitHub of {host} refuses the pull request (422) (it says: Validation Failed; No commits between main and x)."
            ),
            "The branch is pushed; change what it says with `--base`, `--title`, `--body` or without `--draft`, and publish again.",
        ),
        (
            answer(409, "conflict"),
            "refused",
            format!("GitHub of {host} refuses the pull request (409) (it says: conflict)."),
            "The branch is pushed; change what it says with `--base`, `--title`, `--body` or without `--draft`, and publish again.",
        ),
        (
            answer(301, "Moved Permanently"),
            "moved",
            format!("team/repo of {host} has moved (301)."),
            "Give the environment its new address with `outwork env edit`.",
        ),
    ] {
        let failure = fails(&scene, &task, fault).await;
        assert_eq!(
            failure,
            json!({"code": code, "message": message, "hint": hint})
        );
    }
    let missing = scene.publish(&task, json!({"base": "nowhere"})).await;
    assert_eq!(
        missing["failure"]["message"],
        format!(
            "GitHub of {host} refuses the pull request (422) (it says: Validation Failed; nowhere is no branch)."
        )
    );
    // After all that, it works.
    let published = scene.publish(&task, json!({})).await;
    assert_eq!(published["pull_request"]["number"], 1, "{published:#}");
    assert_eq!(scene.forge.pushes(), 1);
    scene.rig.stop().await;
}

#[tokio::test]
async fn what_does_not_pass_is_given_up() {
    let scene = Scene::start(Kind::Gitea).await;
    let task = scene.done(change).await;
    for _ in 0..8 {
        scene.forge.fail(Method::GET, answer(503, "maintenance"));
    }
    let failed = scene.publish(&task, json!({})).await;
    let host = &scene.forge.host;
    assert_eq!(failed["failure"]["code"], "gave_up", "{failed:#}");
    assert_eq!(
        failed["failure"]["message"],
        format!(
            "Given up after 8 tries. Gitea of {host} has trouble of its own (503) (it says: maintenance)."
        )
    );
    assert_eq!(scene.forge.pulls().len(), 0);
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_push_that_is_refused_is_explained() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let url = scene.forge.url();
    for (script, code, message) in [
        (
            "echo 'error: GH006: Protected branch update failed.' >&2; exit 1",
            "protected_branch",
            format!(
                "The branch x of {url} is protected (its server says: error: GH006: Protected branch update failed.)."
            ),
        ),
        (
            "echo 'GitLab: You are not allowed to push code to this project.' >&2; exit 1",
            "not_permitted",
            format!(
                "The credential may not push to {url} (its server says: GitLab: You are not allowed to push code to this project.)."
            ),
        ),
        (
            "echo 'Commits need a ticket' >&2; exit 1",
            "push_refused",
            format!(
                "The repository {url} refuses the push (its server says: Commits need a ticket)."
            ),
        ),
    ] {
        scene.forge.hook(script);
        let failed = scene.publish(&task, json!({"branch": "x"})).await;
        let failure = &failed["failure"];
        assert_eq!(
            (&failure["code"], &failure["message"]),
            (&json!(code), &json!(message)),
            "{failed:#}"
        );
    }
    assert_eq!(scene.forge.pulls().len(), 0);
    scene.forge.hook("exit 0");
    // A token that may only read.
    scene
        .credential(super::READ_TOKEN, Some(scene.forge.settings()))
        .await;
    let failed = scene.publish(&task, json!({"branch": "x"})).await;
    assert_eq!(failed["failure"]["code"], "not_permitted", "{failed:#}");
    scene
        .credential(PUSH_TOKEN, Some(scene.forge.settings()))
        .await;
    let published = scene.publish(&task, json!({"branch": "x"})).await;
    assert_eq!(published["state"], "published", "{published:#}");
    scene.rig.stop().await;
}
