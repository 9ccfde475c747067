//! What is written over a snapshot, and what the agent's git makes of it.

use crate::checkout::upstream;
use crate::fixture::{Asked, BELOW, World, files_in, files_of, git_command, git_in, on_disk, put};
use outwork_git::{
    CheckoutError, CommitRef, Credentials, DiffLimits, Git, LayeredRequest, Mirror, Place, RefName,
    SnapshotCheckout,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_same_commit_takes_no_git_and_writes_nothing() {
    let world = upstream();
    let snapshot = world.snapshot("snapshot", &world.head()).await;
    let path = std::env::var_os("PATH").expect("PATH is set");
    let none = Git::isolated("/no/such/git", &path, &world.path("private")).expect("made");
    let mirrors = world.path("mirrors");
    let mirror = Mirror::new(none, &mirrors, world.url(), Credentials::None);
    fs::create_dir(world.path("upper")).expect("a folder");
    let request = LayeredRequest {
        upper: Place::new(world.path("upper"), BELOW),
        trusted_git_dir: world.path("trusted"),
        alternates_inside: mirror.objects_dir(),
        branch: Some(RefName::parse("main").expect("a good name")),
        owner: None,
        starting_diff: b"",
        carried_diff: b"",
    };
    let head = world.head();
    let made = mirror
        .checkout_over(&head, &snapshot.checkout, &request)
        .await;
    let checkout = made.expect("made");
    assert_eq!(names_in(&world.path("upper")), Vec::<String>::new());
    assert_eq!(checkout.base_tree(), snapshot.checkout.tree());
    assert_eq!(checkout.binds()[0].host, mirror.objects_dir());
    // Nor does the diff of an agent that did nothing.
    let (view, changed) = (Place::new(&snapshot.root, BELOW), request.upper.clone());
    let diff = checkout.diff(&view, &changed, &DiffLimits::default()).await;
    assert_eq!(diff.expect("a diff").patch, b"");
    // A second one needs places of its own, and harms not the first.
    let fault = mirror
        .checkout_over(&head, &snapshot.checkout, &request)
        .await;
    assert!(
        matches!(fault, Err(CheckoutError::Folder { .. })),
        "{fault:?}"
    );
    assert!(world.path("trusted/HEAD").exists());
}

#[tokio::test]
async fn another_branch_is_a_few_small_files() {
    let world = upstream();
    git_in(&world.upstream(), &["branch", "other"]);
    let snapshot = world.snapshot("snapshot", &world.head()).await;
    for (name, branch, files, head) in [
        (
            "other",
            Some("other"),
            &["HEAD", "config", "packed-refs"][..],
            "other\n",
        ),
        ("none", None, &["HEAD", "config", "packed-refs"], "HEAD\n"),
        ("same", Some("main"), &[], "main\n"),
    ] {
        let asked = Asked {
            branch,
            ..Asked::MAIN
        };
        let attempt = world.attempt(name, &world.head(), &snapshot, &asked).await;
        let git = attempt.upper.join(BELOW).join(".git");
        let written = if git.exists() {
            names_in(&git)
        } else {
            Vec::new()
        };
        assert_eq!(written, files, "{name}");
        let tree = attempt.directory();
        assert_eq!(git_in(tree, &["rev-parse", "--abbrev-ref", "HEAD"]), head);
        assert_eq!(git_in(tree, &["status", "--porcelain"]), "");
        assert_eq!(
            git_in(tree, &["branch", "-r", "--format=%(refname:short)"]),
            "origin/main\norigin/other\n"
        );
    }
}

/// Whether git, as this user, calls the tree clean though it can read no file of it.
fn is_clean_unread(tree: &Path, uid: u32) -> String {
    use std::os::unix::process::CommandExt;
    let mut command = git_command(tree);
    command.args(["status", "--porcelain"]).env("HOME", "/");
    if fs::metadata(tree).expect("there").uid() != uid || uid != rustix::process::getuid().as_raw()
    {
        command.uid(uid).gid(uid);
    }
    let output = command.output().expect("git starts");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn the_agents_git_reads_no_file_to_see_that_nothing_changed() {
    let world = upstream();
    let open = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(world.dir.path(), open(0o755)).expect("set");
    let first = world.head();
    for n in 0..150 {
        put(&world.upstream(), &format!("many/{n}"), format!("{n}\n"));
    }
    put(&world.upstream(), "a.txt", "other\n");
    std::os::unix::fs::symlink("a.txt", world.upstream().join("l")).expect("a link");
    let second = world.commit("second");
    let mut snapshot = world.snapshot("snapshot", &first).await;
    // Sealed long ago: what is younger than the last of a script's works git reads to be sure.
    let git = snapshot.checkout.git_dir().to_owned();
    let note = fs::read_to_string(git.join("snapshot")).expect("a note");
    let mut lines: Vec<&str> = note.split('\n').collect();
    lines[4] = "1700000000";
    fs::write(git.join("snapshot"), lines.join("\n")).expect("written");
    snapshot.checkout = SnapshotCheckout::open(&git).expect("opens");
    let me = rustix::process::getuid().as_raw();
    // As seen inside, files have another owner, another device and another inode than when the index was written.
    let agent = if me == 0 { 65_533 } else { me };
    let close = |root: &Path| {
        let mut pending = vec![root.to_owned()];
        while let Some(path) = pending.pop() {
            let meta = path.symlink_metadata().expect("there");
            if meta.is_dir() {
                let inner = fs::read_dir(&path).expect("a folder");
                pending.extend(inner.map(|entry| entry.expect("an entry").path()));
            } else if meta.is_file()
                && !path.components().any(|part| part.as_os_str() == ".git")
                && !path.ends_with(".gitignore")
            {
                fs::set_permissions(&path, open(0o000)).expect("set");
            }
            if me == 0 {
                std::os::unix::fs::lchown(&path, Some(agent), Some(agent)).expect("given");
            }
        }
    };
    if me == 0 {
        close(&snapshot.root);
    }
    for (name, commit) in [("same", &first), ("other", &second)] {
        let over = world.over(name, commit, &snapshot, &Asked::MAIN).await;
        let upper = world.path(&format!("{name}.attempt/upper"));
        if me == 0 {
            close(&upper);
        }
        let attempt = world.show(name, over.expect("made"), &snapshot, &[]);
        if !attempt.is_mounted() {
            close(attempt.directory());
        }
        if me == 0 {
            chown(attempt.directory(), Some(agent), Some(agent)).expect("given");
        }
        let said = is_clean_unread(attempt.directory(), agent);
        assert_eq!(said, "", "{name}");
    }
}

#[tokio::test]
async fn the_mirror_may_have_lost_the_snapshots_commit() {
    let world = upstream();
    put(&world.upstream(), "gone", "only in the old commit\n");
    put(&world.upstream(), "old/deep/file", "as is this\n");
    let old = world.commit("to be forgotten");
    let snapshot = world.snapshot("snapshot", &old).await;
    git_in(&world.upstream(), &["reset", "-q", "--hard", "HEAD^"]);
    put(&world.upstream(), "a.txt", "new\n");
    let new = world.commit("instead");
    git_in(
        &world.upstream(),
        &["reflog", "expire", "--expire=all", "--all"],
    );
    git_in(&world.upstream(), &["gc", "-q", "--prune=now"]);
    fs::remove_dir_all(world.path("mirrors")).expect("removed");
    let attempt = world.attempt("tree", &new, &snapshot, &Asked::MAIN).await;
    let wanted = on_disk(files_of(&world.upstream(), new.as_str()));
    assert_eq!(files_in(attempt.directory()), wanted);
    assert_eq!(git_in(attempt.directory(), &["status", "--porcelain"]), "");
    put(attempt.directory(), "gone", "back\n");
    let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(crate::checkout::names(&diff), ["gone"]);
}

#[tokio::test]
async fn folders_go_with_their_files_unless_a_script_left_something_there() {
    let world = World::with_files(&[
        ("keep/a", "1\n"),
        ("gone/a", "1\n"),
        ("gone/deep/er/b", "2\n"),
        ("left/a", "1\n"),
        ("left/deep/b", "2\n"),
    ]);
    let submodule = format!("160000,{},{}", "1".repeat(40), "empty");
    let filled = format!("160000,{},{}", "1".repeat(40), "filled");
    for entry in [submodule, filled] {
        git_in(
            &world.upstream(),
            &["update-index", "--add", "--cacheinfo", &entry],
        );
    }
    git_in(&world.upstream(), &["commit", "-q", "-m", "submodules"]);
    let first = world.head();
    for path in ["gone", "left", "empty", "filled"] {
        git_in(&world.upstream(), &["rm", "-r", "-q", "--cached", path]);
        let _ = fs::remove_dir_all(world.upstream().join(path));
    }
    git_in(&world.upstream(), &["commit", "-q", "-m", "less"]);
    let second = world.head();
    let cold = world.cold("snapshot", &first, &Asked::MAIN).await;
    put(cold.directory(), "left/deep/built", "by the script\n");
    put(cold.directory(), "filled/file", "by the script\n");
    let snapshot = world.keep("snapshot", cold).await;
    assert_eq!(snapshot.restored.total, 0);
    let attempt = world
        .attempt("tree", &second, &snapshot, &Asked::MAIN)
        .await;
    let paths: Vec<String> = files_in(attempt.directory())
        .into_keys()
        .map(|path| String::from_utf8(path).expect("ASCII"))
        .collect();
    assert_eq!(paths, ["filled/file", "keep/a", "left/deep/built"]);
    assert_eq!(
        git_in(attempt.directory(), &["status", "--porcelain"]),
        "?? filled/\n?? left/\n"
    );
    let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
    assert!(diff.patch.is_empty() || !attempt.is_mounted());
}

#[tokio::test]
async fn several_repositories_lie_side_by_side() {
    let (one, two) = (upstream(), World::with_files(&[("b", "1\n")]));
    let first = [one.head(), two.head()];
    put(&one.upstream(), "a.txt", "second\n");
    put(&two.upstream(), "b", "second\n");
    let second = [one.commit("second"), two.commit("second")];
    let volumes = one.path("volumes");
    let mut made = Vec::new();
    for (at, world) in [&one, &two].into_iter().enumerate() {
        let mirror = world.mirror();
        let full = |at: usize| CommitRef::Full([&first, &second][at / 2][at % 2].clone());
        mirror.ensure_commit(&full(at)).await.expect("there");
        mirror.ensure_commit(&full(at + 2)).await.expect("there");
        let below = format!("workspace/repo{at}");
        let git_dir = volumes.join(format!("snapshot.git{at}"));
        let request = outwork_git::CheckoutRequest {
            directory: volumes.join("snapshot").join(&below),
            trusted_git_dir: git_dir.clone(),
            ..world.request("unused", &mirror)
        };
        let cold = mirror.checkout(&first[at], &request).await.expect("made");
        let sealed = cold
            .seal(&Place::new(volumes.join("snapshot"), &below))
            .await;
        assert_eq!(sealed.expect("sealed").total, 0);
        let snapshot = SnapshotCheckout::open(&git_dir).expect("opens");
        fs::create_dir_all(volumes.join("upper")).expect("a folder");
        let request = LayeredRequest {
            upper: Place::new(volumes.join("upper"), &below),
            trusted_git_dir: volumes.join(format!("attempt.git{at}")),
            alternates_inside: mirror.objects_dir(),
            branch: None,
            owner: None,
            starting_diff: b"",
            carried_diff: b"",
        };
        let checkout = mirror.checkout_over(&second[at], &snapshot, &request).await;
        made.push((checkout.expect("made"), request.upper));
    }
    assert_eq!(
        names_in(&volumes.join("upper/workspace")),
        ["repo0", "repo1"]
    );
    assert_eq!(
        fs::read(volumes.join("upper/workspace/repo0/a.txt")).expect("written"),
        b"second\n"
    );
    put(&volumes, "upper/workspace/repo1/b", "third\n");
    for ((checkout, upper), names) in made.iter().zip([&[][..], &["b"]]) {
        let diff = checkout.diff(upper, upper, &DiffLimits::default()).await;
        assert_eq!(
            crate::checkout::names(&diff.expect("a diff"))
                .iter()
                .filter(|name| *name == "b")
                .count(),
            names.len()
        );
    }
}

#[tokio::test]
async fn a_snapshot_that_is_none_is_refused() {
    let world = upstream();
    let snapshot = world.snapshot("snapshot", &world.head()).await;
    let git = world.path("snapshot.snapshot/git");
    let note = fs::read(git.join("snapshot")).expect("a note");
    for garbage in [
        &b""[..],
        b"outwork snapshot 2\n",
        &note[..note.len() / 2],
        b"\xff\n\n\n",
    ] {
        fs::write(git.join("snapshot"), garbage).expect("written");
        assert!(
            SnapshotCheckout::open(&git).is_err(),
            "{}",
            garbage.escape_ascii()
        );
    }
    fs::remove_file(git.join("snapshot")).expect("removed");
    assert!(SnapshotCheckout::open(&git).is_err());
    fs::write(git.join("snapshot"), note).expect("written");
    assert!(SnapshotCheckout::open(&git).is_ok());
    // Whole, but of another repository.
    let other = World::with_files(&[("b", "1\n")]);
    let fault = other
        .over("tree", &other.head(), &snapshot, &Asked::MAIN)
        .await;
    assert!(
        matches!(fault, Err(CheckoutError::Snapshot { .. })),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_damaged_snapshot_is_told_or_does_not_matter() {
    let world = upstream();
    let first = world.head();
    put(&world.upstream(), "a.txt", "other\n");
    let second = world.commit("second");
    let snapshot = world.snapshot("snapshot", &first).await;
    let index = world.path("snapshot.snapshot/git/commit-index");
    let whole = fs::read(&index).expect("an index");
    let garbage = vec![b'x'; whole.len()];
    let over = async |name: &str, commit, content: Option<&[u8]>| {
        let _ = fs::remove_file(&index);
        if let Some(content) = content {
            fs::write(&index, content).expect("written");
        }
        world.over(name, commit, &snapshot, &Asked::MAIN).await
    };
    for commit in [&first, &second] {
        for content in [None, Some(&whole[..whole.len() / 2])] {
            let fault = over("tree", commit, content).await;
            assert!(
                matches!(fault, Err(CheckoutError::Snapshot { .. })),
                "{fault:?}"
            );
        }
    }
    let fault = over("tree", &second, Some(&garbage)).await;
    assert!(
        matches!(fault, Err(CheckoutError::Snapshot { .. })),
        "{fault:?}"
    );
    // Found too late to be told, but no work is lost.
    let checkout = over("late", &first, Some(&garbage)).await.expect("made");
    let attempt = world.show("late", checkout, &snapshot, &[]);
    put(attempt.directory(), "a.txt", "mine\n");
    let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(crate::checkout::names(&diff), ["a.txt"]);
    // And nothing is wrong with the snapshot itself.
    over("again", &second, Some(&whole)).await.expect("made");
    fs::remove_file(world.path("snapshot.snapshot/git/snapshot-untracked")).expect("removed");
    let fault = over("tree", &second, Some(&whole)).await;
    assert!(
        matches!(fault, Err(CheckoutError::Snapshot { .. })),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_damaged_mirror_is_mended() {
    let world = upstream();
    let snapshot = world.snapshot("snapshot", &world.head()).await;
    let content = "some content that is long enough to matter";
    put(&world.upstream(), "new/file", content);
    let second = world.commit("second");
    let mirror = world.mirror();
    let full = CommitRef::Full(second.clone());
    mirror.ensure_commit(&full).await.expect("fetched");
    let blob = git_in(&world.upstream(), &["rev-parse", "HEAD:new/file"]);
    let object = mirror.objects_dir().join(&blob[..2]).join(blob[2..].trim());
    fs::remove_file(object).expect("it was fetched loose");
    let attempt = world
        .attempt("tree", &second, &snapshot, &Asked::MAIN)
        .await;
    let file = attempt.directory().join("new/file");
    assert_eq!(fs::read(file).expect("written"), content.as_bytes());
}
