//! One diff of parts of several: what git makes of it, against what git merges.

use crate::fixture::{World, git_bytes, git_fed, git_in, put};
use crate::random::Dice;
use outwork_git::{ComposeError, FileStatus, Patch, Selection, compose};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The commit that a diff gives on the base, where git takes it.
fn commit_of(world: &World, diff: &[u8]) -> Option<String> {
    let root = world.upstream();
    git_in(&root, &["read-tree", "HEAD"]);
    if !diff.is_empty() {
        let apply = ["apply", "--cached", "--binary", "--whitespace=nowarn", "-"];
        if !git_fed(&root, &apply, diff).0 {
            return None;
        }
    }
    let tree = git_in(&root, &["write-tree"]);
    let commit = ["commit-tree", "-p", "HEAD", "-m", "x", tree.trim()];
    Some(git_in(&root, &commit).trim().to_owned())
}

fn tree_of(world: &World, commit: &str) -> String {
    git_in(
        &world.upstream(),
        &["rev-parse", &format!("{commit}^{{tree}}")],
    )
}

/// What `work` makes of the files, as a diff.
fn diff_of(world: &World, work: impl FnOnce()) -> Vec<u8> {
    let root = world.upstream();
    work();
    git_in(&root, &["add", "-A"]);
    let diff = [
        "diff",
        "--cached",
        "--binary",
        "--full-index",
        "-M",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ];
    let diff = git_bytes(&root, &diff);
    git_in(&root, &["reset", "-q", "--hard"]);
    git_in(&root, &["clean", "-qfd"]);
    diff
}

fn lines(name: &str, count: usize) -> String {
    (0..count).map(|line| format!("{name} {line}\n")).collect()
}

fn edit(dice: &mut Dice, text: &str, tag: &str) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for number in 0..=dice.below(3) {
        let at = dice.below(lines.len());
        // Now and then two do the same.
        let tag = if dice.below(4) == 0 { "same" } else { tag };
        match dice.below(4) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(
                at,
                format!("{tag} added {}\n", at * usize::from(tag == "same")),
            ),
            2 => lines[at] = format!("{tag} changed {number}\n"),
            _ => lines.push(format!("{tag} at the end")),
        }
    }
    lines.concat()
}

fn work(dice: &mut Dice, world: &World, tag: &str) {
    let root = world.upstream();
    for name in ["a", "b", "c d", "folder/e", "f"] {
        let path = root.join(name);
        match dice.below(9) {
            0 => fs::remove_file(&path).expect("it is there"),
            1 => fs::rename(&path, root.join(format!("{name}.{tag}"))).expect("it is there"),
            2 => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is there")
            }
            3..=6 => {
                let text = fs::read_to_string(&path).expect("text");
                put(&root, name, edit(dice, &text, tag));
            }
            _ => {}
        }
    }
    match dice.below(4) {
        0 => put(&root, "new", format!("{tag}\n")),
        1 => put(&root, "new/below", "the same\n"),
        2 => put(
            &root,
            "binary",
            [&[0, 1, 2, 255][..], tag.as_bytes()].concat(),
        ),
        _ => put(&root, &format!("n\u{fc} \"{tag}\""), "1\n2\n"),
    }
}

/// Files whole, or some of their hunks.
fn choose(dice: &mut Dice, patch: &Patch<'_>) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut files, mut hunks) = (BTreeSet::new(), BTreeSet::new());
    for file in patch.files() {
        let in_parts = file.hunks.len() > 1 && file.status != FileStatus::Added;
        match dice.below(4) {
            0 => {}
            1 | 2 if in_parts => {
                hunks.extend(
                    file.hunks
                        .into_iter()
                        .filter(|_| dice.below(2) == 0)
                        .map(|it| it.id),
                );
            }
            _ => drop(files.insert(file.id)),
        }
    }
    (files, hunks)
}

#[test]
fn what_is_composed_is_what_git_merges() {
    let (mut composed_count, mut refused_count) = (0, 0);
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let text = |name| lines(name, 40);
        let world = World::with_files(&[
            ("a", &text("a")),
            ("b", &text("b")),
            ("c d", &text("c")),
            ("folder/e", text("e").trim_end()),
            ("f", &lines("f", 3)),
        ]);
        let diffs = ["one", "two"].map(|tag| diff_of(&world, || work(&mut dice, &world, tag)));
        let patches = diffs
            .each_ref()
            .map(|diff| Patch::parse(diff).expect("git's own"));
        let chosen = patches.each_ref().map(|patch| choose(&mut dice, patch));
        let selections: Vec<Selection<'_, '_>> = patches
            .iter()
            .zip(&chosen)
            .map(|(patch, (files, hunks))| Selection {
                patch,
                files,
                hunks,
            })
            .collect();
        let alone: Vec<_> = selections.iter().map(|one| compose(&[*one])).collect();
        let both = match compose(&selections) {
            Ok(both) => both,
            Err(ComposeError::Contradictions(found)) => {
                assert!(
                    found.iter().all(|it| !it.parts.is_empty()),
                    "seed {seed}: {found:?}"
                );
                refused_count += 1;
                continue;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        };
        let shown = String::from_utf8_lossy(&both).into_owned();
        let commits: Vec<String> = alone
            .iter()
            .map(|diff| {
                let diff = diff
                    .as_ref()
                    .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                commit_of(&world, diff)
                    .unwrap_or_else(|| panic!("seed {seed}: {}", String::from_utf8_lossy(diff)))
            })
            .collect();
        let commit = commit_of(&world, &both).unwrap_or_else(|| panic!("seed {seed}:\n{shown}"));
        let merged = git_in(
            &world.upstream(),
            &[
                "-c",
                "merge.directoryRenames=false",
                "merge-tree",
                "--write-tree",
                &commits[0],
                &commits[1],
            ],
        );
        assert_eq!(tree_of(&world, &commit), merged, "seed {seed}:\n{shown}");
        composed_count += 1;
    }
    assert!(composed_count > 10, "only {composed_count} were composed");
    assert!(refused_count > 5, "only {refused_count} were refused");
}

fn all(patch: &Patch<'_>) -> BTreeSet<String> {
    patch.files().into_iter().map(|file| file.id).collect()
}

#[test]
fn the_same_change_has_the_same_id_in_two_diffs_and_is_made_once() {
    let world = World::with_files(&[("a", &lines("a", 30)), ("b", "b\n")]);
    let root = world.upstream();
    let change = |top: &str, end: &str| {
        let text = lines("a", 30).replace("a 2\n", top).replace("a 25\n", end);
        diff_of(&world, || put(&root, "a", text))
    };
    let (one, two) = (change("top\n", "end\n"), change("", "end\n"));
    let (one, two) = (
        Patch::parse(&one).expect("a diff"),
        Patch::parse(&two).expect("a diff"),
    );
    let (first, second) = (one.files().remove(0), two.files().remove(0));
    assert_ne!(first.id, second.id);
    let ids = |file: &outwork_git::FilePart<'_>| {
        file.hunks
            .iter()
            .map(|hunk| hunk.id.clone())
            .collect::<Vec<_>>()
    };
    let (of_one, of_two) = (ids(&first), ids(&second));
    assert_ne!(of_one[0], of_two[0]);
    // Though one of them begins a line earlier after the diff.
    assert_eq!(of_one[1], of_two[1]);
    assert_eq!((first.additions, first.deletions), (2, 2));

    let none = BTreeSet::new();
    let end = BTreeSet::from([of_one[1].clone()]);
    let selection = |patch, hunks| Selection {
        patch,
        files: &none,
        hunks,
    };
    let composed = compose(&[selection(&one, &end), selection(&two, &end)]).expect("the same");
    let text = String::from_utf8(composed.clone()).expect("text");
    assert_eq!(text.matches("@@ ").count(), 1, "{text}");
    assert!(text.contains("@@ -23,7 +23,7 @@"), "{text}");
    commit_of(&world, &composed).expect("git takes it");

    let top = |ids: &[String]| BTreeSet::from([ids[0].clone()]);
    let (of_one, of_two) = (top(&of_one), top(&of_two));
    let refused = compose(&[selection(&one, &of_one), selection(&two, &of_two)]);
    let Err(ComposeError::Contradictions(found)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].path.as_slice(), found[0].parts.len()),
        (&b"a"[..], 2)
    );
    assert_eq!(found[0].parts[0].id, *of_one.first().expect("one"));
    assert_eq!(
        found[0].reason,
        "both change line 3 of the base, or stand next to it"
    );

    let unknown = BTreeSet::from(["0".repeat(32)]);
    let refused = compose(&[selection(&one, &end), selection(&two, &unknown)]);
    assert_eq!(
        refused,
        Err(ComposeError::Unknown {
            selection: 1,
            id: "0".repeat(32)
        })
    );
    assert_eq!(compose(&[selection(&one, &none)]), Ok(Vec::new()));
}

/// A diff, and which files are taken of it.
type Chosen<'a> = (&'a [u8], &'a dyn Fn(FileStatus) -> bool);

#[test]
fn what_cannot_stand_beside_each_other_is_refused() {
    let world = World::with_files(&[("a", "a\n"), ("folder/b", "b\n")]);
    let root = world.upstream();
    let folder_to_file = diff_of(&world, || {
        fs::remove_dir_all(root.join("folder")).expect("it is there");
        put(&root, "folder", "now a file\n");
    });
    let below_folder = diff_of(&world, || put(&root, "folder/new", "new\n"));
    let file_to_link = diff_of(&world, || {
        fs::remove_file(root.join("a")).expect("it is there");
        std::os::unix::fs::symlink("elsewhere", root.join("a")).expect("a link");
    });
    let edited = diff_of(&world, || put(&root, "a", "b\n"));
    let gone = diff_of(&world, || {
        fs::remove_file(root.join("a")).expect("it is there")
    });
    let refused = |diffs: &[Chosen<'_>]| {
        let patches: Vec<_> = diffs
            .iter()
            .map(|(diff, _)| Patch::parse(diff).expect("git's own"))
            .collect();
        let chosen: Vec<BTreeSet<String>> = patches
            .iter()
            .zip(diffs)
            .map(|(patch, (_, which))| {
                patch
                    .files()
                    .into_iter()
                    .filter(|file| which(file.status))
                    .map(|file| file.id)
                    .collect()
            })
            .collect();
        let none = BTreeSet::new();
        let selections: Vec<_> = patches
            .iter()
            .zip(&chosen)
            .map(|(patch, files)| Selection {
                patch,
                files,
                hunks: &none,
            })
            .collect();
        match compose(&selections) {
            Ok(diff) => {
                commit_of(&world, &diff)
                    .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&diff)));
                false
            }
            Err(ComposeError::Contradictions(_)) => true,
            Err(error) => panic!("{error}"),
        }
    };
    let whole = &|_| true;
    let added = &|status| status == FileStatus::Added;
    assert!(!refused(&[(&folder_to_file, whole)]));
    assert!(
        refused(&[(&folder_to_file, added)]),
        "its folder is still there"
    );
    assert!(refused(&[(&folder_to_file, whole), (&below_folder, whole)]));
    assert!(!refused(&[(&file_to_link, whole)]));
    assert!(
        refused(&[(&file_to_link, added)]),
        "the file is still there"
    );
    assert!(refused(&[(&gone, whole), (&edited, whole)]));
    assert!(!refused(&[(&gone, whole), (&gone, whole)]));
    assert!(!refused(&[(&edited, whole), (&below_folder, whole)]));
    let patch = Patch::parse(&edited).expect("git's own");
    assert_eq!(all(&patch).len(), 1);
}
