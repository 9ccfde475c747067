//! What comes of an attempt: an exact diff, whatever became of the agent, and nothing that is nobody's business.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Scene, Stage, waiting};
use crate::check::{Check, checks, skip};
use crate::plane::Work;
use crate::process::Mark;
use crate::repository::Files;

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("The diff":
        makes_an_exact_diff "The diff applied to the base is what the agent left: new, binary, renamed, removed, executable",
        does_not_believe_the_agents_git "Filters, attributes and configuration that the agent wrote change no byte",
        says_how_large_it_is "The sizes in `finish` are those of the diff",
        starts_from_both_diffs "The agent sees the starting and the carried diff; the result has the carried one only",
    );
    all.extend(checks!("Finish":
        hands_in_what_a_failed_agent_did "An agent that fails is `failed`, and its diff is handed in",
        keeps_the_time_limit "An agent that takes too long is stopped and `timed_out`",
        says_that_a_repository_is_not_there "A repository that cannot be fetched is a failure with a code",
        says_that_a_commit_is_not_there "A commit that is not there is a failure with a code",
        ends_what_it_cannot_run "What the worker cannot run ends as `failed`, or is given back",
        leaves_no_process_behind "What the agent left running is gone when the attempt is finished",
    ));
    all.extend(checks!("What an agent gets":
        gives_the_prompt_on_standard_input "A command has the prompt on its standard input, in the first checkout",
        gives_variables_and_no_secrets "An agent has the variables; secrets reach neither it nor the log",
    ));
    all.extend(checks!("Checkpoints":
        saves_what_was_done "A checkpoint names what was uploaded for it, and is the work so far",
    ));
    all
}

fn put(files: &mut Files, path: &str, mode: &str, content: &[u8]) {
    files.insert(path.to_owned(), (mode.to_owned(), content.to_vec()));
}

const CHANGES: &str = r"set -e
sed -i 's/^line 7$/line seven/' text
rm gone
mkdir -p deep/er
printf 'new\n' > deep/er/file
printf '\0\1\2\377\376' > binary.new
printf 'more\0' >> folder/binary
mv 'folder/with a space' 'folder/another name'
printf '#!/bin/sh\n' > run; chmod +x run
ln -s text link
: > empty
printf 'no end of line' > unended
printf 'three\r\n' >> windows
printf 'x' > ignored
printf 'caf\303\251\n' > $'caf\303\251'
if command -v git > /dev/null; then
  git add -A; git -c user.name=a -c user.email=a@example.invalid commit -qm 'my own' || true
fi
printf 'after\n' >> text
";

async fn changed(stage: &Stage) -> Result<Files> {
    let mut files = stage.repository.base().await?;
    let (_, text) = files["text"].clone();
    let text = String::from_utf8(text)?.replace("line 7\n", "line seven\n") + "after\n";
    put(&mut files, "text", "100644", text.as_bytes());
    files.remove("gone");
    put(&mut files, "deep/er/file", "100644", b"new\n");
    put(&mut files, "binary.new", "100644", b"\x00\x01\x02\xff\xfe");
    let binary = [crate::repository::BINARY, b"more\0"].concat();
    put(&mut files, "folder/binary", "100644", &binary);
    let moved = files
        .remove("folder/with a space")
        .context("it was there")?;
    files.insert("folder/another name".to_owned(), moved);
    put(&mut files, "run", "100755", b"#!/bin/sh\n");
    put(&mut files, "link", "120000", b"text");
    put(&mut files, "empty", "100644", b"");
    put(&mut files, "unended", "100644", b"no end of line");
    put(&mut files, "windows", "100644", b"one\r\ntwo\r\nthree\r\n");
    put(&mut files, "café", "100644", "café\n".as_bytes());
    Ok(files)
}

async fn makes_an_exact_diff(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let (id, _) = stage.ends(Work::command(CHANGES), "succeeded").await?;
    let expected = changed(&stage).await?;
    stage.tree_is(&id, b"", &expected).await
}

async fn does_not_believe_the_agents_git(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let command = r"set -e
        printf '* filter=evil text eol=crlf\n' > .gitattributes
        printf 'mine\n' > new
        printf '[filter \042evil\042]\n clean = echo theirs\n smudge = echo theirs\n[core]\n hooksPath = /nonexistent\n' >> .git/config
        printf 'new\n' > .git/info/exclude";
    let (id, _) = stage.ends(Work::command(command), "succeeded").await?;
    let mut expected = stage.repository.base().await?;
    put(
        &mut expected,
        ".gitattributes",
        "100644",
        b"* filter=evil text eol=crlf\n",
    );
    put(&mut expected, "new", "100644", b"mine\n");
    stage.tree_is(&id, b"", &expected).await
}

async fn says_how_large_it_is(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let command = "sed -i 1d text; printf 'a\\nb\\n' > new; rm gone";
    let (_, finish) = stage.ends(Work::command(command), "succeeded").await?;
    let expected =
        json!([{"repository": "demo", "files_changed": 3, "lines_added": 2, "lines_removed": 2}]);
    ensure!(
        finish["diffs"] == expected,
        "`diffs` is {}",
        finish["diffs"]
    );
    Ok(())
}

async fn starts_from_both_diffs(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let starting = stage
        .repository
        .patch(&[("from-person", "person\n")])
        .await?;
    let carried = stage
        .repository
        .patch(&[("from-before", "before\n")])
        .await?;
    let work = Work::command("cat from-person from-before > both")
        .input("starting_diff", starting.clone())
        .input("carried_diff", carried);
    let (id, _) = stage.ends(work, "succeeded").await?;
    let mut expected = stage.repository.base().await?;
    put(&mut expected, "from-person", "100644", b"person\n");
    put(&mut expected, "from-before", "100644", b"before\n");
    put(&mut expected, "both", "100644", b"person\nbefore\n");
    stage.tree_is(&id, &starting, &expected).await?;
    let diff = stage.diff(&id)?;
    let text = String::from_utf8_lossy(&diff);
    ensure!(
        !text.contains("b/from-person"),
        "the starting diff is in the result:\n{text}"
    );
    Ok(())
}

async fn hands_in_what_a_failed_agent_did(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let (id, finish) = stage
        .ends(Work::command("echo half > new; exit 3"), "failed")
        .await?;
    let failure = &finish["outcome"]["failure"];
    ensure!(
        failure["code"] == "agent_failed",
        "the failure is {failure}"
    );
    ensure!(failure["message"].is_string(), "the failure is {failure}");
    let mut expected = stage.repository.base().await?;
    put(&mut expected, "new", "100644", b"half\n");
    stage.tree_is(&id, b"", &expected).await
}

async fn keeps_the_time_limit(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let limits = json!({"preparing_ms": 60_000, "setting_up_ms": 60_000, "running_ms": 3000, "collecting_ms": 60_000});
    let command = format!("echo half > new; {}", waiting(&mark));
    let (id, finish) = stage
        .ends(Work::command(&command).with("limits", limits), "failed")
        .await?;
    let failure = &finish["outcome"]["failure"];
    ensure!(failure["code"] == "timed_out", "the failure is {failure}");
    ensure!(!mark.is_there(), "the agent still runs");
    ensure!(!stage.diff(&id)?.is_empty(), "the diff is empty");
    Ok(())
}

async fn fails_with(stage: &Stage, change: (&str, &str), code: &str) -> Result<()> {
    let (field, value) = change;
    let mut repository = json!({
        "name": "demo",
        "url": format!("{}/git/demo.git", stage.plane.url()),
        "branch": "main",
        "commit": stage.repository.commit,
        "has_starting_diff": false,
        "has_carried_diff": false,
    });
    repository[field] = json!(value);
    let work = Work::command("true").with("repositories", json!([repository]));
    let (_, finish) = stage.ends(work, "failed").await?;
    let failure = &finish["outcome"]["failure"];
    ensure!(failure["code"] == code, "the failure is {failure}");
    Ok(())
}

async fn says_that_a_repository_is_not_there(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let url = format!("{}/git/none.git", stage.plane.url());
    fails_with(&stage, ("url", &url), "repository_unavailable").await
}

async fn says_that_a_commit_is_not_there(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let commit = "1234567890123456789012345678901234567890";
    fails_with(&stage, ("commit", commit), "commit_not_found").await
}

async fn ends_what_it_cannot_run(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    // Without a model nobody can run it.
    let work = Work::command("").with("agent", json!({"name": "codex"}));
    let id = stage.plane.give(work);
    stage
        .until("it is ended or given back", |state| {
            let attempt = &state.attempts[&id];
            attempt.released > 0 || attempt.outcome() == Some("failed")
        })
        .await
}

async fn leaves_no_process_behind(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let command = format!("{} > /dev/null 2>&1 & echo here; sleep 2", mark.wait());
    let id = stage.held_at(&mark, Work::command(&command)).await?;
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    ensure!(
        !mark.is_there(),
        "a process of the agent still runs after `finish`"
    );
    Ok(())
}

async fn gives_the_prompt_on_standard_input(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let work = Work::command("cat > said").with("prompt", json!("say \"it\"\nthus: ü"));
    let (id, _) = stage.ends(work, "succeeded").await?;
    let mut expected = stage.repository.base().await?;
    put(
        &mut expected,
        "said",
        "100644",
        "say \"it\"\nthus: ü".as_bytes(),
    );
    stage.tree_is(&id, b"", &expected).await
}

async fn gives_variables_and_no_secrets(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let canary = "canary-4f1c9b7e22";
    let work = Work::command(
        "echo colour=$COLOUR; env; cat /proc/self/environ /proc/$PPID/environ 2>/dev/null || true",
    )
    .with("variables", json!({"COLOUR": "blue"}))
    .with(
        "secrets",
        json!([{"name": "PASSWORD", "value": canary, "version": 1}]),
    );
    let (id, _) = stage.done(work).await?;
    let (output, events) = stage.look(&id, |attempt| {
        (
            attempt.output(),
            serde_json::Value::from(attempt.claim().events).to_string(),
        )
    });
    ensure!(
        output.contains("colour=blue"),
        "the agent has no variable: {output:?}"
    );
    ensure!(!events.contains(canary), "a secret is in the log");
    Ok(())
}

async fn saves_what_was_done(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let command = format!("echo half > new; {}", waiting(&mark));
    let id = stage.held_at(&mark, Work::command(&command)).await?;
    let saved = stage
        .within(Duration::from_secs(45), "a checkpoint", |state| {
            !state.attempts[&id].claim().checkpoints.is_empty()
        })
        .await;
    let refused = stage.plane.with(|state| {
        state
            .of("checkpoint")
            .find(|seen| seen.status >= 400)
            .map(|seen| seen.body.clone())
    });
    ensure!(
        refused.is_none(),
        "a checkpoint names what was not uploaded: {refused:?}"
    );
    if saved.is_err() {
        return Err(skip("it made no checkpoint within 45 s"));
    }
    let uploads = stage.look(&id, |attempt| attempt.claim().uploads);
    let diff = &uploads[&("checkpoint_diff".to_owned(), "demo".to_owned())];
    let found = stage.repository.tree(&[diff]).await?;
    let mut expected = stage.repository.base().await?;
    put(&mut expected, "new", "100644", b"half\n");
    crate::repository::same(&found, &expected)
}
