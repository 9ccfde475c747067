//! Every kind of change between a snapshot and the commit that is laid over it, in both directions.

use crate::fixture::{Asked, Files, Snapshot, World, files_in, files_of, git_in, on_disk, put};
use crate::replay::build;
use outwork_git::{CommitId, DiffLimits};
use std::fs;

#[tokio::test]
async fn every_kind_of_change_is_written() {
    let world = World::new();
    let history = build(&world);
    let mut below: Option<(Snapshot, &CommitId)> = None;
    for (number, (name, parent, commit)) in history.iter().enumerate() {
        let (snapshot, known) = match below.take() {
            Some(below) => below,
            None => (world.snapshot("first", parent).await, parent),
        };
        assert_eq!(known, parent);
        lay(&world, &format!("{name}, forwards"), commit, &snapshot).await;
        let next = world.snapshot(&format!("step{number}"), commit).await;
        lay(&world, &format!("{name}, backwards"), parent, &next).await;
        fs::remove_dir_all(snapshot.root).expect("removed");
        below = Some((next, commit));
    }
}

async fn lay(world: &World, name: &str, commit: &CommitId, snapshot: &Snapshot) {
    let attempt = world.attempt("tree", commit, snapshot, &Asked::MAIN).await;
    let wanted = on_disk(files_of(&world.upstream(), commit.as_str()));
    let found = files_in(attempt.directory());
    assert!(found == wanted, "{name}: {}", different(&found, &wanted));
    // Else git sees changes in what is committed with other line ends than the attributes want, should it read the files.
    let neutral = "* -text !filter !ident !working-tree-encoding !eol\n";
    put(attempt.directory(), ".git/info/attributes", neutral);
    let status = git_in(attempt.directory(), &["status", "--porcelain", "--branch"]);
    assert_eq!(status.lines().count(), 1, "{name}: {status}");
    let head = git_in(attempt.directory(), &["rev-parse", "HEAD", "main"]);
    assert_eq!(head, format!("{commit}\n{commit}\n"), "{name}");
    let diff = attempt.diff(&DiffLimits::default()).await;
    assert_eq!(diff.expect("a diff").patch, b"", "{name}");
    // No more than what differs: every file in the layer is another than the snapshot's.
    let below = files_of(&world.upstream(), snapshot.checkout.commit().as_str());
    let above = files_in(&attempt.upper.join(crate::fixture::BELOW));
    for (path, found) in &above {
        assert_ne!(
            below.get(path),
            Some(found),
            "{name}: {}",
            path.escape_ascii()
        );
    }
    drop(attempt);
    fs::remove_dir_all(world.path("tree.attempt")).expect("removed");
}

fn different(found: &Files, wanted: &Files) -> String {
    let has = |in_it: &Files, path: &Vec<u8>| in_it.get(path).map(|(mode, _)| mode.clone());
    let paths = found.keys().chain(wanted.keys());
    let different = paths.filter(|path| found.get(*path) != wanted.get(*path));
    let lines = different.take(10).map(|path| {
        let path_text = path.escape_ascii().to_string();
        format!(
            "{path_text}: {:?} not {:?}",
            has(found, path),
            has(wanted, path)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
