//! Snapshots that break, and workers that are killed while they make them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{came, run};
use crate::harness::{By, Engine, Hold, Outwork, Repository, by_both, processes_with, until};

by_both!(a_broken_snapshot_is_rebuilt_once);

/// What is wrong afterwards, and how it comes about.
type Damage = (&'static str, fn(&Path));

/// What can go wrong with a snapshot on the disk.
const DAMAGES: [Damage; 7] = [
    ("its tree is gone", |path| {
        fs::remove_dir_all(path.join("data")).expect("there");
    }),
    ("a volume is gone", |path| {
        fs::remove_dir_all(path.join("data/root")).expect("there");
    }),
    ("a volume is a file", |path| {
        fs::remove_dir_all(path.join("data/opt")).expect("there");
        fs::write(path.join("data/opt"), "").expect("writable");
    }),
    ("the index of its commit is gone", |path| {
        fs::remove_file(checkout(path).join("commit-index")).expect("there");
    }),
    ("what was noted of its checkout is gone", |path| {
        fs::remove_file(checkout(path).join("snapshot")).expect("there");
    }),
    ("its checkout is gone", |path| {
        fs::remove_dir_all(checkout(path)).expect("there");
    }),
    ("it is renamed", |path| {
        fs::rename(path, path.with_extension("away")).expect("ours");
    }),
];

/// The git directory of the only checkout of a snapshot.
fn checkout(snapshot: &Path) -> PathBuf {
    let mut all = fs::read_dir(snapshot.join("data/git")).expect("there");
    all.next().expect("one").expect("readable").path()
}

fn a_broken_snapshot_is_rebuilt_once(by: By) {
    let outwork = Outwork::run_by(by, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file("echo tool > ~/tool");
    outwork.environment(
        "demo",
        &repository,
        &["--agent-command", "cat ~/tool", "--setup", &setup],
    );
    assert_eq!(came(&outwork, "demo", &[]), "first time");
    for (what, damage) in DAMAGES {
        damage(&outwork.kept().snapshot());
        let log = run(&outwork, "demo", &[]);
        assert_eq!(log.output(), "tool\n", "{what}: {log:#?}");
        let states = log.snapshots();
        let count = |state: &str| states.iter().filter(|found| *found == state).count();
        assert!(count("broken") > 0, "{what}: {states:?}");
        assert_eq!(
            (count("building"), count("built")),
            (1, 1),
            "{what}: {states:?}"
        );
        assert!(
            log.why_built().starts_with("broken: "),
            "{what}: {}",
            log.why_built()
        );
        assert_eq!(came(&outwork, "demo", &[]), "cached", "{what}");
    }
    outwork.end();
}

#[test]
fn a_snapshot_without_its_description_is_nobodys() {
    let mut outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file("echo tool > ~/tool");
    outwork.environment(
        "demo",
        &repository,
        &["--agent-command", "cat ~/tool", "--setup", &setup],
    );
    assert_eq!(came(&outwork, "demo", &[]), "first time");
    assert!(outwork.process.terminate().success());
    let old = outwork.kept().snapshot();
    let description = old.join("meta.json");
    let text = fs::read(&description).expect("there");
    fs::write(&description, &text[..text.len() / 2]).expect("writable");
    outwork.restart();
    let log = run(&outwork, "demo", &[]);
    assert_eq!(log.snapshots(), ["broken", "building", "built"]);
    assert!(
        log.why_built().contains("description is damaged"),
        "{}",
        log.why_built()
    );
    until("the old one is swept", || (!old.exists()).then_some(()));
    outwork.end();
}

/// A server that gives up on a lost worker soon, a worker, and an environment.
fn apart(setup: &str) -> (Outwork, Repository) {
    let outwork = Outwork::start("server", Engine::Sqlite, &[("OUTWORK_LEASE", "3s")]);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file(setup);
    let secret = outwork.file("a secret to be looked for");
    let secret = format!("TOKEN=@{secret}");
    let more = [
        "--agent-command",
        "cat ~/tool; ls ~/many | wc -l",
        "--setup",
        &setup,
        "--secret",
        &secret,
    ];
    outwork.environment("demo", &repository, &more);
    (outwork, repository)
}

/// After a worker was killed: the next one in its directory does the task, and nothing else is there.
fn is_done_by_the_next(outwork: &Outwork, task: &str) {
    let mut next = outwork.worker("mortal");
    let kept = next.kept();
    until("what was left is swept", || {
        kept.unfinished().is_empty().then_some(())
    });
    let ended = outwork.ended(task);
    let log = outwork.log(task);
    assert_eq!(ended["outcome"], "succeeded", "{log:#?}\n{}", next.log());
    assert_eq!(ended["turns"][0]["attempts"][0]["tries"], 2);
    assert!(log.output().ends_with("tool\n1\n"), "{}", log.output());
    assert_eq!(kept.snapshots().len(), 1);
    assert!(next.terminate().success(), "{}", next.log());
    kept.assert_idle();
    let dir = outwork.dir.path().join("mortal").display().to_string();
    assert_eq!(processes_with(&dir), Vec::<String>::new());
}

#[test]
fn a_worker_killed_during_setup_leaves_nothing() {
    let hold = Hold::new();
    let setup = format!(
        "mkdir ~/many; touch ~/many/$OUTWORK_TRY\nif [ $OUTWORK_TRY = 1 ]; then {}; fi\necho tool > ~/tool",
        hold.command()
    );
    let (outwork, _repository) = apart(&setup);
    let mut worker = outwork.worker("mortal");
    let task = outwork.submit("demo", "survive", &[]);
    hold.reached(1);
    until("the server has heard of it", || {
        (outwork.log(&task).snapshots() == ["building"]).then_some(())
    });
    worker.kill();
    hold.reached(0);
    assert_eq!(worker.kept().snapshots().len(), 0);
    assert_eq!(worker.kept().unfinished().len(), 1);
    is_done_by_the_next(&outwork, &task);
    assert_eq!(
        outwork.log(&task).snapshots(),
        ["building", "building", "built"]
    );
}

#[test]
fn a_worker_killed_while_it_keeps_a_snapshot_leaves_nothing() {
    // Looking through so much for the secret takes a while; the second time it is not there.
    let setup = "echo tool > ~/tool; mkdir ~/many; cd ~/many; touch one\n\
                 if [ $OUTWORK_TRY = 1 ]; then head -c 20M /dev/zero > big; for i in {1..300}; do ln big $i; done; fi";
    let (outwork, _repository) = apart(setup);
    let mut worker = outwork.worker("mortal");
    let task = outwork.submit("demo", "survive", &[]);
    let kept = worker.kept();
    until(
        "the script has ended, and what it made is looked through",
        || {
            let data = kept.unfinished().pop().map(|path| path.join("data"));
            let is_over = data.is_some_and(|data| {
                data.join("root/home/agent/tool").exists() && !data.join("root.work").exists()
            });
            (is_over || !kept.snapshots().is_empty()).then_some(())
        },
    );
    worker.kill();
    assert_eq!(kept.snapshots().len(), 0);
    is_done_by_the_next(&outwork, &task);
}
