//! Results as commits that are merged: what conflicts, and what of an agent's does not count.

use crate::fixture::{World, git_in, put};
use outwork_git::{
    CommitId, CommitRef, Copy, Credentials, Merged, Merges, MergesError, PrepareError, Side,
};
use std::path::Path;

const FILES: [(&str, &str); 2] = [
    ("a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
    ("dir/b", "one\ntwo\nthree\n"),
];

struct Bench {
    world: World,
    copy: Copy,
}

impl Bench {
    fn new() -> Self {
        let world = World::with_files(&FILES);
        let copy = Copy::new(
            &world.git,
            &world.path("publish"),
            world.url(),
            Credentials::None,
        );
        Self { world, copy }
    }

    async fn merges(&self, sides: &[Side]) -> Result<Merges, MergesError> {
        let bases = sides.iter().map(|side| side.base.clone());
        let bases: Vec<_> = bases.map(CommitRef::Full).collect();
        self.copy.ensure(&bases).await.expect("they are there");
        self.copy.merges(&self.world.git, "work", sides).await
    }

    /// What an agent did on the newest commit.
    fn side(&self, change: impl FnOnce(&Path)) -> Side {
        let upstream = self.world.upstream();
        change(&upstream);
        git_in(&upstream, &["add", "-A", "-f", "."]);
        let patch = git_in(
            &upstream,
            &["diff", "--cached", "--binary", "--full-index", "-M"],
        );
        git_in(&upstream, &["reset", "-q", "--hard"]);
        Side {
            base: self.world.head(),
            patches: vec![patch.into_bytes()],
        }
    }

    fn line(&self, number: usize, text: &str) -> Side {
        self.side(|dir| {
            let content = FILES[0]
                .1
                .replace(&format!("{number}\n"), &format!("{text}\n"));
            put(dir, "a", content);
        })
    }
}

async fn pair(merges: &Merges, one: usize, other: usize) -> Merged {
    let (one, other) = (&merges.sides()[one], &merges.sides()[other]);
    merges.merge(one, other).await.expect("git works")
}

fn clean(merged: Merged) -> CommitId {
    match merged {
        Merged::Clean(commit) => commit,
        Merged::Conflicts(paths) => panic!("{paths:?}"),
    }
}

fn conflicts(paths: &[&str]) -> Merged {
    Merged::Conflicts(paths.iter().map(|path| (*path).to_owned()).collect())
}

#[tokio::test]
async fn the_same_lines_conflict_and_others_merge() {
    let bench = Bench::new();
    let sides = [
        bench.line(1, "first"),
        bench.line(9, "last"),
        bench.line(1, "other"),
        bench.side(|dir| put(dir, "dir/ü", "new\n")),
        bench.side(|dir| std::fs::remove_file(dir.join("a")).expect("removed")),
    ];
    let merges = bench.merges(&sides).await.expect("prepared");
    assert_eq!(merges.base(), &bench.world.head());
    let both = clean(pair(&merges, 0, 1).await);
    assert_eq!(pair(&merges, 0, 2).await, conflicts(&["a"]));
    assert_eq!(pair(&merges, 1, 4).await, conflicts(&["a"]));
    clean(pair(&merges, 3, 4).await);
    // What was merged is merged on.
    let three = merges
        .merge(&both, &merges.sides()[3])
        .await
        .expect("git works");
    let three = clean(three);
    let fourth = merges.merge(&three, &merges.sides()[2]).await;
    assert_eq!(fourth.expect("git works"), conflicts(&["a"]));
    // Once more, and the same commits come of it.
    let again = bench.merges(&sides).await.expect("prepared");
    assert_eq!(again.sides(), merges.sides());
    let work = bench.world.path("publish/work/work");
    assert!(work.exists());
    drop(again);
    assert!(!work.exists(), "nothing is left");
}

#[tokio::test]
async fn what_came_into_the_branch_meanwhile_counts() {
    let bench = Bench::new();
    let old = bench.line(1, "first");
    let untouched = bench.line(9, "last");
    put(
        &bench.world.upstream(),
        "a",
        FILES[0].1.replace("1\n", "upstream\n"),
    );
    let newest = bench.world.commit("second");
    let new = bench.side(|dir| put(dir, "c", "c\n"));
    let merges = bench
        .merges(&[old, untouched, new])
        .await
        .expect("prepared");
    assert_eq!(merges.base(), &newest);
    let onto = async |side: usize| {
        let merged = merges.merge(merges.base(), &merges.sides()[side]).await;
        merged.expect("git works")
    };
    assert_eq!(onto(0).await, conflicts(&["a"]));
    clean(onto(1).await);
    clean(onto(2).await);
    // Of two branches, none contains the other.
    git_in(
        &bench.world.upstream(),
        &["checkout", "-q", "-b", "beside", "HEAD~"],
    );
    bench.world.commit("beside");
    let beside = bench.side(|dir| put(dir, "c", "c\n"));
    git_in(&bench.world.upstream(), &["checkout", "-q", "main"]);
    let sides = [beside, bench.side(|dir| put(dir, "c", "c\n"))];
    let apart = bench.merges(&sides).await;
    assert!(matches!(apart, Err(MergesError::NoBase)), "{apart:?}");
}

#[tokio::test]
async fn what_an_agent_left_decides_nothing() {
    let bench = Bench::new();
    let marker = bench.world.path("ran");
    // Attributes that would merge everything, or run a driver.
    let hostile = |dir: &Path, text: &str| {
        put(
            dir,
            ".gitattributes",
            "* merge=union\na merge=evil diff=evil filter=evil text\n",
        );
        put(
            dir,
            ".git-config-of-mine",
            format!("[merge \"evil\"]\n\tdriver = touch {}\n", marker.display()),
        );
        put(dir, "a", FILES[0].1.replace("1\n", text));
    };
    let sides = [
        bench.side(|dir| hostile(dir, "x\n")),
        bench.side(|dir| hostile(dir, "y\n")),
    ];
    let merges = bench.merges(&sides).await.expect("prepared");
    assert_eq!(pair(&merges, 0, 1).await, conflicts(&["a"]));
    assert!(!marker.exists());
    // Nor what only looks like a diff.
    for patch in [
        "diff --git a/../../x b/../../x\nnew file mode 100644\n--- /dev/null\n+++ b/../../x\n@@ -0,0 +1 @@\n+x\n",
        "diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n",
        "nonsense",
        "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-not there\n+x\n",
    ] {
        let bad = Side {
            base: bench.world.head(),
            patches: vec![patch.as_bytes().to_vec()],
        };
        let refused = bench.merges(&[bench.line(1, "x"), bad]).await;
        assert!(
            matches!(
                refused,
                Err(MergesError::DiffDoesNotApply { side: 1 }
                    | MergesError::Prepare(PrepareError::Git(_)))
            ),
            "{refused:?}"
        );
        assert!(!bench.world.path("publish/work/work").exists());
    }
    // A name is an argument and nothing else, and links lead nowhere.
    let odd = bench.side(|dir| {
        put(dir, "--upload-pack=touch ran", "x");
        std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).expect("a link");
    });
    let other = bench.side(|dir| {
        put(dir, "--upload-pack=touch ran", "y");
        std::os::unix::fs::symlink("/etc/shadow", dir.join("link")).expect("a link");
    });
    let merges = bench.merges(&[odd, other]).await.expect("prepared");
    let found = pair(&merges, 0, 1).await;
    assert_eq!(found, conflicts(&["--upload-pack=touch ran", "link"]));
}
