use crate::fixture::{World, git_in, put};
use outwork_git::{CommitRef, Mirror, MirrorError, ResolveError};
use std::fs;
use std::path::PathBuf;

fn full(id: &outwork_git::CommitId) -> CommitRef {
    CommitRef::Full(id.clone())
}

fn packs(mirror: &Mirror) -> Vec<PathBuf> {
    let dir = fs::read_dir(mirror.objects_dir().join("pack")).expect("a pack folder");
    dir.map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "pack"))
        .collect()
}

fn names_in(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
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
async fn warm_needs_no_remote_and_new_commits_are_fetched() {
    let world = World::with_files(&[("a", "1")]);
    let first = world.head();
    let mirror = world.mirror();
    assert_eq!(
        mirror.ensure_commit(&full(&first)).await.expect("cloned"),
        first
    );
    put(&world.upstream(), "a", "2");
    let second = world.commit("second");
    assert_eq!(
        mirror.ensure_commit(&full(&second)).await.expect("fetched"),
        second
    );
    let short = CommitRef::parse(&second.as_str()[..10]).expect("short");
    fs::rename(world.upstream(), world.path("away")).expect("moved");
    assert_eq!(
        mirror.ensure_commit(&full(&first)).await.expect("warm"),
        first
    );
    assert_eq!(mirror.ensure_commit(&short).await.expect("warm"), second);
    // What is not here needs the remote, and the error says that it is gone.
    let fault = mirror
        .ensure_commit(&CommitRef::parse(&"1".repeat(40)).expect("full"))
        .await
        .expect_err("gone");
    assert!(
        matches!(&fault, MirrorError::Remote(inner) if matches!(**inner, ResolveError::NotFound { .. })),
        "{fault:?}"
    );
    assert_eq!(
        mirror
            .ensure_commit(&full(&first))
            .await
            .expect("still here"),
        first
    );
}

#[tokio::test]
async fn rewritten_and_unreachable_commits() {
    let world = World::with_files(&[("a", "1")]);
    let mirror = world.mirror();
    let lost = world.head();
    mirror.ensure_commit(&full(&lost)).await.expect("cloned");
    git_in(&world.upstream(), &["branch", "d/e"]);
    git_in(
        &world.upstream(),
        &["commit", "-q", "--amend", "-m", "rewritten"],
    );
    git_in(&world.upstream(), &["branch", "-m", "d/e", "d"]);
    let rewritten = world.head();
    assert_eq!(
        mirror
            .ensure_commit(&full(&rewritten))
            .await
            .expect("fetched by force"),
        rewritten
    );
    assert_eq!(
        mirror.ensure_commit(&full(&lost)).await.expect("kept"),
        lost
    );
    // Below no branch: asked for by its id.
    git_in(
        &world.upstream(),
        &["config", "uploadpack.allowAnySHA1InWant", "true"],
    );
    put(&world.upstream(), "a", "hidden");
    let hidden = world.commit("hidden");
    git_in(
        &world.upstream(),
        &["reset", "-q", "--hard", rewritten.as_str()],
    );
    assert_eq!(
        mirror.ensure_commit(&full(&hidden)).await.expect("by id"),
        hidden
    );
    let fault = mirror
        .ensure_commit(&CommitRef::parse("1234567").expect("short"))
        .await
        .expect_err("missing");
    assert!(
        matches!(fault, MirrorError::CommitMissing { .. }),
        "{fault:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_make_one_mirror() {
    let world = World::with_files(&[("a", "1")]);
    let first = world.head();
    // A process that was killed while it cloned.
    let stale = format!(
        "tmp-{}-dead",
        world
            .mirror()
            .git_dir()
            .file_stem()
            .expect("a name")
            .to_string_lossy()
    );
    fs::create_dir_all(world.path("mirrors").join(&stale).join("fresh")).expect("a folder");
    for round in 0..3 {
        let wanted = if round == 0 {
            first.clone()
        } else {
            world.commit("more")
        };
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (mirror, wanted) = (world.mirror(), wanted.clone());
                tokio::spawn(async move { mirror.ensure_commit(&full(&wanted)).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.expect("no panic").expect("there"), wanted);
        }
    }
    let name = world
        .mirror()
        .git_dir()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let lock = name.replace(".git", ".lock");
    assert_eq!(names_in(&world.path("mirrors")), [name, lock]);
    git_in(&world.mirror().git_dir(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn another_process_may_hold_the_lock() {
    let world = World::with_files(&[("a", "1")]);
    let mirror = world.mirror();
    fs::create_dir_all(world.path("mirrors")).expect("a folder");
    let path = mirror.git_dir().with_extension("lock");
    let held = fs::File::create(&path).expect("a file");
    held.lock().expect("locked");
    let (wanted, waiting) = (full(&world.head()), mirror.clone());
    let task = tokio::spawn(async move { waiting.ensure_commit(&wanted).await });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!(
        !task.is_finished() && !mirror.git_dir().exists(),
        "made in spite of the lock"
    );
    held.unlock().expect("unlocked");
    task.await.expect("no panic").expect("made");
}

#[tokio::test]
async fn a_failed_copy_leaves_nothing() {
    let world = World::new();
    fs::remove_dir_all(world.upstream()).expect("removed");
    let fault = world
        .mirror()
        .ensure_commit(&CommitRef::parse(&"1".repeat(40)).expect("full"))
        .await
        .expect_err("gone");
    assert!(matches!(fault, MirrorError::Remote(_)), "{fault:?}");
    let names = names_in(&world.path("mirrors"));
    assert!(
        names.iter().all(|name| name.ends_with(".lock")),
        "{names:?}"
    );
}

#[tokio::test]
async fn damage_is_found_and_mended() {
    type Damage = fn(&Mirror);
    let damages: [(&str, Damage); 6] = [
        ("pack cut short", |mirror| {
            for pack in packs(mirror) {
                let bytes = fs::read(&pack).expect("a pack");
                fs::remove_file(&pack).expect("removed");
                fs::write(&pack, &bytes[..bytes.len() / 2]).expect("written");
            }
        }),
        ("pack removed", |mirror| {
            packs(mirror)
                .iter()
                .for_each(|pack| fs::remove_file(pack).expect("removed"))
        }),
        ("HEAD removed", |mirror| {
            fs::remove_file(mirror.git_dir().join("HEAD")).expect("removed")
        }),
        ("config is garbage", |mirror| {
            fs::write(mirror.git_dir().join("config"), "[[[").expect("written")
        }),
        ("no objects", |mirror| {
            fs::remove_dir_all(mirror.objects_dir()).expect("removed")
        }),
        ("a lock left behind", |mirror| {
            fs::write(mirror.git_dir().join("packed-refs.lock"), "").expect("written")
        }),
    ];
    for (name, damage) in damages {
        let world = World::with_files(&[("a", "1"), ("b", "2")]);
        let mirror = world.mirror();
        mirror
            .ensure_commit(&full(&world.head()))
            .await
            .expect("cloned");
        damage(&mirror);
        put(&world.upstream(), "a", "changed");
        for wanted in [world.head(), world.commit("second")] {
            let id = mirror
                .ensure_commit(&full(&wanted))
                .await
                .unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            assert_eq!(id, wanted, "{name}");
        }
        let checkout = world.checkout("tree", &world.head()).await;
        assert_eq!(
            fs::read_to_string(checkout.directory().join("a")).expect("a file"),
            "changed",
            "{name}"
        );
    }
}

#[tokio::test]
async fn damage_found_at_the_checkout_is_mended() {
    let world = World::with_files(&[
        ("a", "some content that is long enough to matter"),
        ("b", "2"),
    ]);
    let mirror = world.mirror();
    let head = world.head();
    mirror.ensure_commit(&full(&head)).await.expect("cloned");
    // All loose, and the content of one file gone: the commit itself is still found.
    let pack = packs(&mirror).remove(0);
    let moved = world.path("moved.pack");
    fs::rename(&pack, &moved).expect("moved");
    fs::remove_file(pack.with_extension("idx")).expect("removed");
    let bytes = fs::read(&moved).expect("a pack");
    let (ok, said) = crate::fixture::git_fed(&mirror.git_dir(), &["unpack-objects", "-q"], &bytes);
    assert!(ok, "{}", String::from_utf8_lossy(&said));
    let blob = git_in(&world.upstream(), &["rev-parse", "HEAD:a"]);
    fs::remove_file(mirror.objects_dir().join(&blob[..2]).join(blob[2..].trim())).expect("removed");
    assert_eq!(
        mirror.ensure_commit(&full(&head)).await.expect("found"),
        head
    );
    let checkout = mirror
        .checkout(&head, &world.request("tree", &mirror))
        .await
        .expect("mended");
    let content = fs::read(checkout.directory().join("a")).expect("written");
    assert_eq!(content, b"some content that is long enough to matter");
}

#[tokio::test]
async fn objects_can_be_read_by_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_files(&[("a", "1")]);
    let mirror = world.mirror();
    mirror
        .ensure_commit(&full(&world.head()))
        .await
        .expect("cloned");
    put(&world.upstream(), "a", "2");
    mirror
        .ensure_commit(&full(&world.commit("second")))
        .await
        .expect("fetched");
    let mut pending = vec![mirror.objects_dir()];
    while let Some(path) = pending.pop() {
        let meta = path.metadata().expect("there");
        let wanted = if meta.is_dir() { 0o055 } else { 0o044 };
        let mode = meta.permissions().mode();
        assert_eq!(mode & wanted, wanted, "{} has {mode:o}", path.display());
        assert_eq!(mode & 0o022, 0, "{} has {mode:o}", path.display());
        if meta.is_dir() {
            pending.extend(
                fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        }
    }
}
