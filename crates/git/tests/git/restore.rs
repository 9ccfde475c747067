//! Putting tracked files back after a maintenance script, which ran over a layer that lies between the snapshot's and the agent's.

use crate::checkout::names;
use crate::fixture::{
    Asked, Attempt, BELOW, Files, Snapshot, World, files_in, files_of, git_in, on_disk, put,
};
use outwork_git::{CommitId, DiffLimits, Place};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A snapshot of a first commit, and a second one that differs in every way.
struct Scene {
    world: World,
    snapshot: Snapshot,
    second: CommitId,
}

const CARRIED: &str = "diff --git a/carried b/carried\nnew file mode 100644\n--- /dev/null\n+++ b/carried\n@@ -0,0 +1 @@\n+c\n";

impl Scene {
    async fn new() -> Self {
        let world = World::with_files(&[
            ("same", "same\n"),
            ("changed", "1\n"),
            ("gone/a", "1\n"),
            ("gone/b", "1\n"),
            ("dir/same", "same\n"),
            ("dir/changed", "1\n"),
            ("dir/gone", "1\n"),
            ("dir/deep/same", "same\n"),
            ("dir/deep/gone", "1\n"),
            ("file-to-dir", "1\n"),
            ("dir-to-file/x", "1\n"),
        ]);
        let first = world.head();
        for path in [
            "gone",
            "dir/gone",
            "dir/deep/gone",
            "file-to-dir",
            "dir-to-file",
        ] {
            remove(&world.upstream(), path);
        }
        for (path, content) in [
            ("changed", "2\n"),
            ("dir/changed", "2\n"),
            ("new", "2\n"),
            ("new-dir/x", "2\n"),
            ("file-to-dir/x", "2\n"),
            ("dir-to-file", "2\n"),
        ] {
            put(&world.upstream(), path, content);
        }
        let second = world.commit("second");
        let cold = world.cold("snapshot", &first, &Asked::MAIN).await;
        put(cold.directory(), "dir/built", "by setup\n");
        put(cold.directory(), "node_modules/x/y", "by setup\n");
        let snapshot = world.keep("snapshot", cold).await;
        Self {
            world,
            snapshot,
            second,
        }
    }

    /// What the second commit has, with the carried diff.
    fn wanted(&self) -> Files {
        let mut wanted = on_disk(files_of(&self.world.upstream(), self.second.as_str()));
        wanted.insert(b"carried".to_vec(), ("100644".to_owned(), b"c\n".to_vec()));
        wanted
    }

    /// Runs a script over a layer, puts back what it changed, and gives the tree that an agent finds above it.
    async fn after(&self, script: impl FnOnce(&Path)) -> Option<(Attempt, Vec<String>)> {
        let (world, snapshot) = (&self.world, &self.snapshot);
        let asked = Asked {
            carried: CARRIED.as_bytes(),
            ..Asked::MAIN
        };
        let over = world.over("script", &self.second, snapshot, &asked).await;
        let shown = world.show("script", over.expect("made"), snapshot, &[]);
        if !shown.is_mounted() {
            return None;
        }
        script(shown.directory());
        let upper = shown.upper.clone();
        let mut over = shown.unmounted();
        let place = Place::new(&upper, BELOW);
        let restored = over.restore_tracked(&place).await.expect("put back");
        assert_eq!(restored.paths.len(), restored.total);
        let again = over.restore_tracked(&place).await.expect("put back");
        assert_eq!(
            again.paths,
            Vec::<String>::new(),
            "nothing is left to be put back"
        );
        let attempt = world.show("agent", over, snapshot, &[&upper]);
        Some((attempt, restored.paths))
    }

    fn clear(&self) {
        for name in ["script", "agent"] {
            fs::remove_dir_all(self.world.path(&format!("{name}.attempt"))).expect("removed");
        }
    }
}

fn remove(root: &Path, path: &str) {
    let path = root.join(path);
    let is_folder = path.symlink_metadata().expect("there").is_dir();
    let removed = if is_folder {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.expect("removed");
}

type Script = fn(&Path);

struct Case {
    name: &'static str,
    script: Script,
    restored: &'static [&'static str],
    /// Files beside the tracked ones, with those of setup.
    left: &'static [&'static str],
}

const BY_SETUP: &[&str] = &["dir/built", "node_modules/x/y"];
const ALL: &[&str] = &[
    "carried",
    "changed",
    "dir-to-file",
    "dir/changed",
    "dir/deep/same",
    "dir/same",
    "file-to-dir/x",
    "new",
    "new-dir/x",
    "same",
];

const fn case(name: &'static str, script: Script, restored: &'static [&'static str]) -> Case {
    Case {
        name,
        script,
        restored,
        left: BY_SETUP,
    }
}

fn cases() -> Vec<Case> {
    vec![
        case("nothing", |_| {}, &[]),
        case("git status", |t| drop(git_in(t, &["status"])), &[]),
        case(
            "contents",
            |t| {
                put(t, "same", "other\n");
                put(t, "changed", "1\n");
                put(t, "new", "other\n");
                put(t, "carried", "other\n");
            },
            &["carried", "changed", "new", "same"],
        ),
        case(
            "touched only",
            |t| {
                for path in ["same", "changed", "dir/same"] {
                    let file = fs::File::options()
                        .write(true)
                        .open(t.join(path))
                        .expect("there");
                    file.set_modified(std::time::UNIX_EPOCH).expect("set");
                }
            },
            &[],
        ),
        case(
            "executable",
            |t| {
                fs::set_permissions(t.join("same"), fs::Permissions::from_mode(0o755))
                    .expect("set");
            },
            &["same"],
        ),
        case(
            "removed",
            |t| {
                for path in ["same", "changed", "new", "new-dir", "carried", "dir/deep"] {
                    remove(t, path);
                }
            },
            &[
                "carried",
                "changed",
                "dir/deep/same",
                "new",
                "new-dir/x",
                "same",
            ],
        ),
        Case {
            left: &["dir/deep/more", "node_modules/x/y"],
            ..case(
                "a folder made again",
                |t| {
                    remove(t, "dir");
                    put(t, "dir/deep/more", "by the script\n");
                    put(t, "dir/same", "same\n");
                },
                &["dir/changed", "dir/deep/same"],
            )
        },
        case(
            "a folder is a file",
            |t| {
                remove(t, "dir");
                put(t, "dir", "x\n");
                remove(t, "new-dir");
                put(t, "new-dir", "x\n");
            },
            &["dir/changed", "dir/deep/same", "dir/same", "new-dir/x"],
        ),
        case(
            "a folder is a symlink to outside",
            |t| {
                let outside = t.ancestors().nth(4).expect("the world").join("outside");
                remove(t, "dir");
                symlink(&outside, t.join("dir")).expect("a link");
                remove(t, "file-to-dir");
                symlink(&outside, t.join("file-to-dir")).expect("a link");
                remove(t, "same");
                symlink(outside.join("same"), t.join("same")).expect("a link");
            },
            &[
                "dir/changed",
                "dir/deep/same",
                "dir/same",
                "file-to-dir/x",
                "same",
            ],
        ),
        Case {
            left: &["dir/built", "dir/gone/in", "gone/a", "node_modules/x/y"],
            ..case(
                "what the commit has not got came back, as the script's",
                |t| {
                    put(t, "gone/a", "by the script\n");
                    put(t, "dir/gone/in", "by the script\n");
                },
                &[],
            )
        },
        case(
            "the tree is gone",
            |t| remove(t.parent().expect("a parent"), "repo"),
            ALL,
        ),
        Case {
            left: &["left"],
            ..case(
                "the tree was made again",
                |t| {
                    remove(t.parent().expect("a parent"), "repo");
                    put(t, "left", "by the script\n");
                    put(t, "same", "same\n");
                },
                &ALL[..9],
            )
        },
        Case {
            left: &[],
            ..case(
                "the way to the tree was made again",
                |t| {
                    let root = t.ancestors().nth(2).expect("the volume");
                    remove(root, "workspace");
                    fs::create_dir(root.join("workspace")).expect("a folder");
                },
                ALL,
            )
        },
        case(
            "the way to the tree is a symlink to outside",
            |t| {
                let root = t.ancestors().nth(2).expect("the volume");
                let outside = root.ancestors().nth(2).expect("the world").join("outside");
                remove(root, "workspace");
                symlink(outside, root.join("workspace")).expect("a link");
            },
            ALL,
        ),
        case(
            "traps in .git",
            |t| {
                put(t, ".git/hooks/post-checkout", "#!/bin/sh\n");
                put(t, ".git/config", "[core]\n\tfsmonitor = /evil\n");
                put(t, ".git/index", "garbage");
                put(t, ".git/refs/heads/main", "garbage");
            },
            &[],
        ),
        case(".git is gone", |t| remove(t, ".git"), &[]),
        case(
            ".git is a symlink",
            |t| {
                remove(t, ".git");
                symlink("/evil", t.join(".git")).expect("a link");
            },
            &[],
        ),
        case(
            "everything committed",
            |t| {
                put(t, "same", "mine\n");
                git_in(t, &["commit", "-q", "-a", "-m", "mine"]);
            },
            &["same"],
        ),
    ]
}

#[tokio::test]
async fn the_agent_finds_tracked_files_as_they_should_be() {
    let scene = Scene::new().await;
    put(&scene.world.path("outside"), "same", "outside\n");
    put(&scene.world.path("outside"), "repo/same", "outside\n");
    let outside = files_in(&scene.world.path("outside"));
    for Case {
        name,
        script,
        restored,
        left,
    } in cases()
    {
        let Some((attempt, put_back)) = scene.after(script).await else {
            return;
        };
        assert_eq!(put_back, restored, "{name}");
        let mut found = files_in(attempt.directory());
        for path in left {
            assert!(
                found.remove(path.as_bytes()).is_some(),
                "{name}: {path} is gone"
            );
        }
        let text = |files: &Files| {
            let line = |(path, (mode, content)): (&Vec<u8>, &(String, Vec<u8>))| {
                format!("{} {mode} {}", path.escape_ascii(), content.escape_ascii())
            };
            files.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(text(&found), text(&scene.wanted()), "{name}");
        assert_eq!(files_in(&scene.world.path("outside")), outside, "{name}");
        let tree = attempt.directory();
        let status = git_in(tree, &["status", "--porcelain", "-uno"]);
        assert_eq!(status, "", "{name}");
        let head = git_in(tree, &["rev-parse", "HEAD", "main"]);
        assert_eq!(head, format!("{0}\n{0}\n", scene.second), "{name}");
        assert!(!tree.join(".git/hooks").exists(), "{name}");
        // The script's work is not the agent's, and the agent's is seen.
        let limits = DiffLimits::default();
        let diff = attempt.diff(&limits).await.expect("a diff");
        assert_eq!(names(&diff), ["carried"], "{name}");
        put(tree, "dir/changed", "agent\n");
        put(tree, "mine", "agent\n");
        let diff = attempt.diff(&limits).await.expect("a diff");
        assert_eq!(names(&diff), ["carried", "dir/changed", "mine"], "{name}");
        drop(attempt);
        scene.clear();
    }
}

#[tokio::test]
async fn a_layer_in_which_nothing_was_written_stays_empty() {
    let scene = Scene::new().await;
    let (world, snapshot) = (&scene.world, &scene.snapshot);
    let first = snapshot.checkout.commit();
    let mut over = world
        .over("script", first, snapshot, &Asked::MAIN)
        .await
        .expect("made");
    let upper = world.path("script.attempt/upper");
    let place = Place::new(&upper, BELOW);
    let restored = over.restore_tracked(&place).await.expect("put back");
    assert_eq!(restored.total, 0);
    assert_eq!(fs::read_dir(upper).expect("a folder").count(), 0);
}
