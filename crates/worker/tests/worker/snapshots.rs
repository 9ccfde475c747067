//! Setup once, many attempts: what is kept, found, shared, refused and rebuilt.

use outwork_api::Secret;
use outwork_api::event::EventBody;
use outwork_api::injection::AssignedInjection;
use outwork_api::network::{AgentNetwork, NetworkMethods, NetworkPreset, NetworkTls, Resources};
use outwork_api::worker::Desired;

use crate::fake_api::Record;
use crate::scene::{Scene, WAIT, attempt, git, until};

/// The states of snapshots that an attempt saw, in order.
fn states(record: &Record) -> Vec<String> {
    let state = |body: &EventBody| match body {
        EventBody::Snapshot { state, .. } => Some(state.clone()),
        _ => None,
    };
    let bodies = record.events.iter().map(|event| &event.body);
    bodies.filter_map(state).collect()
}

fn reasons(record: &Record) -> Vec<String> {
    let reason = |body: &EventBody| match body {
        EventBody::Snapshot { reason, .. } => reason.clone(),
        _ => None,
    };
    let bodies = record.events.iter().map(|event| &event.body);
    bodies.filter_map(reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_attempt_finds_what_the_first_set_up() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let setup = "echo set up >> ~/times; echo tool > /usr/local/bin/tool; chmod +x /usr/local/bin/tool\n\
                 mkdir -p /var/lib/x /opt/y && touch /opt/y/z /etc/w; id -un; pwd; mkdir build && echo b > build/b";
    let command = "cat ~/times; cat /usr/local/bin/tool; ls -d /var/lib/x /opt/y/z /etc/w; id -un; cat build/b; \
                   touch ~/mine; ls ~";
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, command);
        assignment.setup_script = Some(setup.to_owned());
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let setup_said = if number == 1 {
            "root\n/workspace/project\n"
        } else {
            ""
        };
        assert_eq!(
            record.output(),
            format!(
                "{setup_said}set up\ntool\n/etc/w\n/opt/y/z\n/var/lib/x\nagent\nb\nmine\ntimes\n"
            )
        );
        // What setup left untracked is not the agent's work.
        assert_eq!(record.diff(), "");
        match number {
            1 => {
                assert_eq!(states(&record), ["building", "built"]);
                assert_eq!(reasons(&record)[0], "first time");
            }
            _ => {
                assert_eq!(states(&record), ["cached"]);
                assert_eq!(record.steps, ["preparing", "running", "collecting"]);
            }
        }
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_may_is_no_part_of_the_key() {
    let scene = Scene::new();
    let worker = scene.start().await;
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, "true");
        assignment.setup_script = Some("true".to_owned());
        if number == 2 {
            // Plenty: only that something is said is of interest.
            assignment.resources = Resources {
                open_files: Some(1 << 12),
                ..Resources::default()
            };
            assignment.nested_namespaces = true;
            assignment.max_tokens = Some(1 << 40);
            assignment.network = AgentNetwork::On {
                preset: NetworkPreset::None,
                allow: vec!["a.example".to_owned()],
                ports: vec![443],
                methods: NetworkMethods::ReadOnly,
                git_push: true,
                websocket: true,
                tls: NetworkTls::Inspect,
            };
            assignment.injections = vec![AssignedInjection {
                host: "a.example".to_owned(),
                header: "authorization".to_owned(),
                value: Secret::new("Bearer token"),
            }];
        }
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let expected: &[&str] = match number {
            1 => &["building", "built"],
            _ => &["cached"],
        };
        assert_eq!(states(&record), expected);
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_at_once_share_one_build_and_change_only_their_own() {
    let scene = Scene::new();
    let worker = scene.start().await;
    for number in 1..=3 {
        let mut assignment = scene.assignment(
            number,
            "cat ~/id; echo $OUTWORK_ATTEMPT_ID | tee ~/id README.md",
        );
        assignment.setup_script = Some("echo $RANDOM$RANDOM > ~/id; sleep 0.3".to_owned());
        scene.api.offer(assignment);
    }
    let mut ids = Vec::new();
    let mut waited = 0;
    for number in 1..=3 {
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let output = record.output();
        let mut lines = output.lines();
        ids.push(lines.next().unwrap().to_owned());
        assert_eq!(lines.next().unwrap(), attempt(number));
        assert_eq!(
            scene.applied(&record, "README.md"),
            Some(format!("{}\n", attempt(number)))
        );
        if states(&record) == ["waiting", "cached"] {
            waited += 1;
            assert!(reasons(&record)[0].starts_with("att_"), "{record:#?}");
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "setup ran once");
    assert_eq!(waited, 2);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_setup_is_told_to_all_who_wait_and_kept_by_nobody() {
    let scene = Scene::new();
    let worker = scene.start().await;
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, "true");
        assignment.environment = "my web".to_owned();
        assignment.setup_script = Some("sleep 0.3\nnpm-that-is-not-there ci".to_owned());
        scene.api.offer(assignment);
    }
    let records = [
        scene.finished(&attempt(1)).await,
        scene.finished(&attempt(2)).await,
    ];
    for record in &records {
        let failure = record.failure();
        assert_eq!(failure.code, "setup_failed");
        let first = failure.message.lines().next().unwrap();
        assert_eq!(
            first,
            "The setup script failed with exit code 127: /outwork/script.sh: line 2: npm-that-is-not-there: command not found"
        );
        let hint = failure.hint.unwrap();
        assert!(
            hint.contains("`outwork env edit 'my web' --setup FILE`"),
            "{hint}"
        );
    }
    let other = records
        .iter()
        .find(|record| record.output().is_empty())
        .expect("one of them waited");
    assert!(
        other.failure().message.contains("the log of att_"),
        "{:?}",
        other.failure()
    );
    let snapshots = worker.data.join("snapshots/snapshots");
    assert_eq!(std::fs::read_dir(snapshots).unwrap().count(), 0);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_builder_is_cancelled_another_builds() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let script = format!(
        "if [ $OUTWORK_ATTEMPT_ID = {} ]; then {WAIT}; fi",
        attempt(1)
    );
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, "echo agent");
        assignment.setup_script = Some(script.clone());
        scene.api.offer(assignment);
        if number == 1 {
            scene.heard(&attempt(1), "ready").await;
        }
    }
    scene
        .api
        .until("the second waits", |state| {
            let record = state.records.get(&attempt(2))?;
            (states(record) == ["waiting"]).then_some(())
        })
        .await;
    scene.api.command(&attempt(1), Desired::Cancel);
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "cancelled");
    let second = scene.finished(&attempt(2)).await;
    assert_eq!(second.outcome(), "ok", "{second:#?}");
    assert_eq!(states(&second), ["waiting", "building", "built"]);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_can_be_cancelled() {
    let scene = Scene::new();
    let worker = scene.start().await;
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, "echo agent");
        assignment.setup_script = Some(WAIT.to_owned());
        scene.api.offer(assignment);
        if number == 1 {
            scene.heard(&attempt(1), "ready").await;
        }
    }
    scene
        .api
        .until("the second waits", |state| {
            let record = state.records.get(&attempt(2))?;
            (states(record) == ["waiting"]).then_some(())
        })
        .await;
    scene.api.command(&attempt(2), Desired::Cancel);
    assert_eq!(scene.finished(&attempt(2)).await.outcome(), "cancelled");
    worker.go(&attempt(1)).await;
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "ok");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_on_another_commit_writes_the_difference() {
    let scene = Scene::new();
    let repository = scene.repository();
    git(&repository, &["checkout", "-q", "-b", "other"]);
    std::fs::write(repository.join("README.md"), "of the other\n").unwrap();
    std::fs::write(repository.join("added.txt"), "added\n").unwrap();
    git(&repository, &["rm", "-q", "src/old.txt"]);
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "second"]);
    let second = git(&repository, &["rev-parse", "HEAD"]).trim().to_owned();

    let worker = scene.start().await;
    let command = "cat README.md; ls; cat built; git status --short --untracked-files=no; git branch --show-current; \
                   git log -1 --format=%s; echo agent >> README.md";
    let mut first = scene.assignment(1, command);
    first.setup_script = Some("echo built > built; echo built >> .git/info/exclude".to_owned());
    let mut other = first.clone();
    other.attempt = attempt(2);
    other.repositories[0].branch = Some("other".to_owned());
    other.repositories[0].commit = second.clone();
    scene.api.offer(first);
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(
        record.output(),
        "hello\nREADME.md\nbuilt\nsrc\nbuilt\nmain\nfirst\n",
        "{record:#?}"
    );
    scene.api.offer(other);
    let record = scene.finished(&attempt(2)).await;
    assert_eq!(states(&record), ["cached"]);
    assert_eq!(
        record.output(),
        "of the other\nREADME.md\nadded.txt\nbuilt\nbuilt\nother\nsecond\n",
        "{record:#?}"
    );
    assert!(
        record.diff().contains("+agent") && record.diff().lines().count() == 7,
        "{}",
        record.diff()
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_runs_on_the_environments_branch_whichever_task_builds() {
    let scene = Scene::new();
    let repository = scene.repository();
    git(&repository, &["checkout", "-q", "-b", "stranger"]);
    std::fs::write(repository.join("install.sh"), "echo stranger\n").unwrap();
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "of a stranger"]);
    let strange = git(&repository, &["rev-parse", "HEAD"]).trim().to_owned();
    git(&repository, &["checkout", "-q", "main"]);

    let worker = scene.start().await;
    let command = "cat /usr/local/built-from; git log -1 --format=%s; git status --short; ls";
    for (number, branch, commit) in [(1, "stranger", &strange), (2, "main", &scene.commit)] {
        let mut assignment = scene.assignment(number, command);
        assignment.repositories[0].branch = Some(branch.to_owned());
        assignment.repositories[0].commit = commit.clone();
        assignment.setup_script = Some(
            "git log -1 --format=%D > /usr/local/built-from; bash install.sh || true".to_owned(),
        );
        assignment.maintenance_script = Some("echo maintained".to_owned());
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let output = record.output();
        assert!(!output.lines().any(|line| line == "stranger"), "{output}");
        let built_from = output.lines().find(|line| line.starts_with("HEAD -> "));
        assert!(
            built_from.is_some_and(|line| line.contains("HEAD -> main")),
            "{output}"
        );
        // Setup ran on another commit than the first task's, so that task is maintained, too.
        assert!(output.contains("maintained\n"), "{output}");
        assert_eq!(output.contains("of a stranger\n"), number == 1, "{output}");
        assert_eq!(
            output.contains("install.sh\nsrc\n"),
            number == 1,
            "{output}"
        );
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_runs_on_the_tasks_commit_and_only_over_what_others_built() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let command = "cat ~/log; cat README.md src/old.txt; ls; stat -c %U made; echo agent > made2";
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, command);
        assignment.setup_script = Some("echo setup >> ~/log; touch made".to_owned());
        assignment.maintenance_script = Some(
            "echo maintenance $(id -un) >> ~/log; touch made fresh; echo broken > README.md; rm src/old.txt; echo said"
                .to_owned(),
        );
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        match number {
            1 => assert_eq!(
                record.output(),
                "setup\nhello\nold\nREADME.md\nmade\nsrc\nagent\n"
            ),
            _ => {
                assert_eq!(
                    record.output(),
                    "said\nsetup\nmaintenance root\nhello\nold\nREADME.md\nfresh\nmade\nsrc\nagent\n"
                );
                assert_eq!(
                    record.steps,
                    ["preparing", "setting_up", "running", "collecting"]
                );
                let [warning] = record.warnings().try_into().unwrap();
                assert_eq!(
                    warning,
                    "The maintenance script changed files that the repository tracks; they were put back: README.md, src/old.txt."
                );
            }
        }
        assert!(
            record.diff().contains("made2") && !record.diff().contains("fresh"),
            "{}",
            record.diff()
        );
    }
    let mut bad = scene.assignment(3, "true");
    bad.setup_script = Some("true".to_owned());
    bad.maintenance_script = Some("echo 'error: no way' >&2; exit 3".to_owned());
    let mut again = bad.clone();
    again.attempt = attempt(4);
    scene.api.offer(bad);
    assert_eq!(scene.finished(&attempt(3)).await.outcome(), "ok");
    scene.api.offer(again);
    let record = scene.finished(&attempt(4)).await;
    assert_eq!(
        record.failure().message,
        "The maintenance script failed with exit code 3: error: no way"
    );
    assert_eq!(record.diff(), "");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_setup_changes_in_tracked_files_is_put_back_and_named() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(
        1,
        "cat README.md src/old.txt; git status --short; ls -A; cat left",
    );
    assignment.setup_script = Some(
        "echo changed > README.md; rm -r src; echo left > left; git config core.pager evil; git commit -qam x || true"
            .to_owned(),
    );
    let record = scene.run(assignment).await;
    assert_eq!(record.outcome(), "ok", "{record:#?}");
    let output = record.output();
    assert!(
        output.ends_with("hello\nold\n?? left\n.git\nREADME.md\nleft\nsrc\nleft\n"),
        "{output}"
    );
    assert_eq!(
        record.warnings(),
        [
            "The setup script changed files that the repository tracks; they were put back: README.md, src/old.txt."
        ]
    );
    assert_eq!(record.diff(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_snapshot_is_dropped_and_rebuilt_once() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let offer = |number| {
        let mut assignment = scene.assignment(number, "cat ~/tool");
        assignment.setup_script = Some("echo tool > ~/tool".to_owned());
        scene.api.offer(assignment);
    };
    offer(1);
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "ok");
    let kept = worker.data.join("snapshots/snapshots");
    let snapshot = || {
        let mut entries = std::fs::read_dir(&kept).unwrap();
        entries.next().unwrap().unwrap().path()
    };
    // What is looked at when it is found.
    std::fs::remove_dir_all(snapshot().join("data/root")).unwrap();
    offer(2);
    let record = scene.finished(&attempt(2)).await;
    assert_eq!(record.outcome(), "ok", "{record:#?}");
    assert_eq!(states(&record), ["broken", "building", "built"]);
    assert_eq!(record.output(), "tool\n");
    // What is found only when an attempt is laid over it: each file of its git directory damaged, or gone.
    let names: Vec<_> = std::fs::read_dir(snapshot().join("data/git/project"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name())
        .collect();
    let mut number = 3;
    let mut rebuilt = 0;
    for name in &names {
        for is_gone in [false, true] {
            let path = snapshot().join("data/git/project").join(name);
            match is_gone {
                true => std::fs::remove_file(path).unwrap(),
                false => std::fs::write(path, "nonsense").unwrap(),
            }
            offer(number);
            let record = scene.finished(&attempt(number)).await;
            number += 1;
            assert_eq!(
                (record.outcome().as_str(), record.output().as_str()),
                ("ok", "tool\n"),
                "{name:?}: {record:#?}"
            );
            if states(&record).len() > 1 {
                rebuilt += 1;
                assert_eq!(states(&record)[..2], ["cached", "broken"]);
                assert_eq!(states(&record).last().unwrap(), "built");
            }
        }
    }
    assert!(rebuilt > 1, "of {names:?}");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_takes_the_name_and_not_the_tree_in_use() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let mut assignment = scene.assignment(1, format!("{WAIT}; cat ~/tool"));
    assignment.setup_script = Some("echo tool > ~/tool".to_owned());
    let mut next = assignment.clone();
    scene.api.offer(assignment);
    scene.heard(&attempt(1), "ready").await;
    let key = scene
        .api
        .until("the snapshot is told", |state| {
            let kept = state.inventories.last()?.snapshots.first()?;
            (kept.in_use == 1).then(|| kept.key.clone())
        })
        .await;
    let told = scene
        .api
        .change(|state| state.inventories.last().unwrap().clone());
    assert_eq!(told.worker, "wkr_00000000000000000000000000000001");
    assert_eq!(told.snapshots[0].environment_id, next.environment_id);
    assert_eq!(
        (told.uses[0].hits, told.uses[0].builds),
        (0, 1),
        "{told:#?}"
    );
    scene
        .api
        .change(|state| state.reset_snapshots = vec![key.clone()]);
    scene
        .api
        .until("it is not told any more", |state| {
            state.inventories.last()?.snapshots.is_empty().then_some(())
        })
        .await;
    worker.go(&attempt(1)).await;
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.output(), "ready\ntool\n", "{record:#?}");
    let trees = worker.data.join("snapshots/snapshots");
    until("the tree is gone", || {
        (std::fs::read_dir(&trees).unwrap().count() == 0).then_some(())
    })
    .await;
    next.attempt = attempt(2);
    next.agent = outwork_api::environment::Agent::Command {
        command: "cat ~/tool".to_owned(),
    };
    next.cache_generation = 1;
    scene.api.offer(next);
    let record = scene.finished(&attempt(2)).await;
    assert_eq!(states(&record), ["building", "built"]);
    assert_eq!(reasons(&record)[0], "cache was reset");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_found_again_by_the_next_worker() {
    let scene = Scene::new();
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, "cat ~/tool");
        assignment.setup_script = Some("echo tool > ~/tool".to_owned());
        let record = scene.run(assignment).await;
        assert_eq!(record.output(), "tool\n", "{record:#?}");
        let expected: &[&str] = if number == 1 {
            &["building", "built"]
        } else {
            &["cached"]
        };
        assert_eq!(states(&record), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_the_key_makes_a_new_snapshot_and_is_named() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let mut number = 0;
    let mut run = async |change: &dyn Fn(&mut outwork_api::worker::Assignment)| {
        number += 1;
        let mut assignment = scene.assignment(number, "true");
        assignment.setup_script = Some("true".to_owned());
        change(&mut assignment);
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let reason = reasons(&record).first().cloned().unwrap_or_default();
        (states(&record)[0].clone(), reason)
    };
    let built = |reason: &str| ("building".to_owned(), reason.to_owned());
    assert_eq!(run(&|_| {}).await, built("first time"));
    assert_eq!(
        run(&|a| a.setup_script = Some("true;".to_owned())).await,
        built("setup script changed")
    );
    let variable = |value: &str| {
        let value = value.to_owned();
        move |a: &mut outwork_api::worker::Assignment| {
            a.variables.insert("FOO".to_owned(), value.clone());
        }
    };
    assert_eq!(
        run(&variable("1")).await,
        built("setup script changed, variable FOO added")
    );
    assert_eq!(run(&variable("2")).await, built("variable FOO changed"));
    assert_eq!(run(&|_| {}).await.0, "cached", "the first is still there");
    worker.end().await;
}
