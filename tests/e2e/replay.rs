//! The history of a repository, replayed: for each commit an agent makes exactly that change; the
//! diff, applied to the parent, must give the commit's tree.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::harness::{Engine, Outwork, Repository, on_both_stores};

on_both_stores!(every_kind_of_change);

/// The agent: makes the working tree what the commit named in the prompt is, with git's own means,
/// and moves submodules and nested repositories as a person would find them.
const AGENT: &str = r#"
    read -r commit
    # The bytes of the commit, whatever its attributes say about line ends.
    mkdir -p .git/info; echo '* -text -eol -ident -filter' > .git/info/attributes
    git read-tree -u --reset "$commit" || exit 1
    git ls-tree -r -z "$commit" | while IFS= read -r -d '' entry; do
        case $entry in 160000*)
            path=${entry#*$'\t'}; set -- ${entry%%$'\t'*}
            mkdir -p "$path/.git/objects" "$path/.git/refs"
            echo "$3" > "$path/.git/HEAD" ;;
        esac
    done
    [ ! -d nested ] || git init -q nested
"#;

type Change = (&'static str, fn(&Path));

fn write(path: PathBuf, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
    fs::write(path, content).expect("a file");
}

fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

fn lines(from: u32, to: u32) -> String {
    (from..to)
        .map(|number| format!("line {number} of a long file\n"))
        .collect()
}

const CHANGES: &[Change] = &[
    ("add files", |dir| {
        write(dir.join("a.txt"), lines(0, 200));
        write(dir.join("deep/er/b.txt"), "b\n");
        write(dir.join("empty"), "");
    }),
    ("rename with a change", |dir| {
        fs::rename(dir.join("a.txt"), dir.join("renamed.txt")).expect("renamed");
        write(dir.join("renamed.txt"), lines(1, 201));
    }),
    ("rename a folder", |dir| {
        fs::rename(dir.join("deep"), dir.join("shallow")).expect("renamed");
    }),
    ("executable", |dir| {
        write(dir.join("run.sh"), "#!/bin/sh\n");
        mode(dir, "run.sh", 0o755);
    }),
    ("mode only", |dir| mode(dir, "run.sh", 0o644)),
    ("mode and content", |dir| {
        write(dir.join("run.sh"), "#!/bin/sh\necho\n");
        mode(dir, "run.sh", 0o755);
    }),
    ("binary", |dir| {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        write(dir.join("image.bin"), &bytes);
    }),
    ("binary changed", |dir| {
        let bytes: Vec<u8> = (0..=255).rev().cycle().take(4000).collect();
        write(dir.join("image.bin"), &bytes);
    }),
    ("symbolic links", |dir| {
        symlink("renamed.txt", dir.join("link")).expect("made");
        symlink("../../outside/nowhere", dir.join("dangling")).expect("made");
        symlink("/etc/passwd", dir.join("absolute")).expect("made");
    }),
    ("link becomes file", |dir| {
        fs::remove_file(dir.join("link")).expect("removed");
        write(dir.join("link"), "no longer a link\n");
    }),
    ("file becomes link and folder", |dir| {
        fs::remove_file(dir.join("empty")).expect("removed");
        symlink("renamed.txt", dir.join("empty")).expect("made");
        fs::remove_file(dir.join("image.bin")).expect("removed");
        write(dir.join("image.bin/inside"), "in a folder now\n");
    }),
    ("carriage returns", |dir| {
        write(dir.join("dos.txt"), "one\r\ntwo\r\n");
        write(dir.join("mixed.txt"), "one\r\ntwo\nthree\r");
    }),
    ("carriage returns changed", |dir| {
        write(dir.join("dos.txt"), "one\r\ntwo\n")
    }),
    ("no final newline", |dir| {
        write(dir.join("open-end"), "no newline");
        write(dir.join("shallow/er/b.txt"), "b");
    }),
    ("final newline added", |dir| {
        write(dir.join("open-end"), "no newline\n")
    }),
    ("names", |dir| {
        write(dir.join("with space/ lead and trail "), "1\n");
        write(dir.join("tab\there"), "2\n");
        write(dir.join("new\nline"), "3\n");
        write(dir.join("quote\"back\\slash"), "4\n");
        write(dir.join("-dash"), "5\n");
        write(dir.join("日本語/ünï"), "6\n");
        write(dir.join(name(b"not-utf8-\xff\xfe")), "7\n");
        write(dir.join("x".repeat(255)), "8\n");
        let deep: PathBuf = std::iter::repeat_n("long-folder-name-0123456789", 60).collect();
        write(dir.join(deep).join("bottom"), "9\n");
    }),
    ("names changed", |dir| {
        fs::rename(
            dir.join(name(b"not-utf8-\xff\xfe")),
            dir.join(name(b"still-\xff")),
        )
        .expect("renamed");
        write(dir.join("tab\there"), "2 changed\n");
        fs::remove_file(dir.join("new\nline")).expect("removed");
    }),
    ("attributes and ignore rules", |dir| {
        write(
            dir.join(".gitattributes"),
            "*.txt -diff\n*.dat filter=evil text eol=crlf ident\n",
        );
        write(dir.join("kept.dat"), "a\nb\n$Id$\n");
        write(dir.join("renamed.txt"), lines(2, 202));
    }),
    ("empty becomes full, full becomes empty", |dir| {
        write(dir.join("kept.dat"), "");
        write(dir.join("hollow"), "");
    }),
    ("ten megabytes of text", |dir| {
        write(dir.join("big.txt"), lines(0, 400_000))
    }),
    ("a line in ten megabytes", |dir| {
        let text = lines(0, 400_000).replace("line 200000 ", "LINE 200000 ");
        write(dir.join("big.txt"), text);
    }),
    ("a nested repository's files", |dir| {
        write(dir.join("nested/file"), "nested\n")
    }),
    ("nested changed", |dir| {
        write(dir.join("nested/file"), "nested again\n")
    }),
    ("deletions", |dir| {
        fs::remove_dir_all(dir.join("shallow")).expect("removed");
        fs::remove_file(dir.join("big.txt")).expect("removed");
        fs::remove_file(dir.join("dangling")).expect("removed");
        fs::remove_dir_all(dir.join("with space")).expect("removed");
    }),
    ("many files", |dir| {
        for number in 0..1500 {
            write(
                dir.join(format!("many/{}/{number}", number % 40)),
                format!("{number}\n"),
            );
        }
    }),
];

fn mode(dir: &Path, file: &str, mode: u32) {
    fs::set_permissions(dir.join(file), fs::Permissions::from_mode(mode)).expect("changed");
}

/// The repository, and the commits in order.
fn history() -> (Repository, Vec<(String, String)>) {
    let repository = Repository::with(&[("README", "start\n")]);
    let head = |repository: &Repository| repository.git(&["rev-parse", "HEAD"]);
    let mut commits = vec![("start".to_owned(), head(&repository))];
    for (what, change) in CHANGES {
        change(repository.path());
        repository.git(&["add", "-A", "-f"]);
        repository.git(&["commit", "-q", "-m", what]);
        commits.push(((*what).to_owned(), head(&repository)));
    }
    for (what, target) in [("a submodule", 1), ("the submodule moves", 2)] {
        let entry = format!("160000,{},module", commits[target].1);
        repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
        repository.git(&["commit", "-q", "-m", what]);
        commits.push((what.to_owned(), head(&repository)));
    }
    repository.git(&["update-index", "--force-remove", "module"]);
    repository.git(&["commit", "-q", "-m", "no submodule"]);
    commits.push(("the submodule goes".to_owned(), head(&repository)));
    (repository, commits)
}

fn every_kind_of_change(engine: Engine) {
    let outwork = Outwork::up(engine);
    let (repository, commits) = history();
    outwork.command_environment("replay", &repository, AGENT);
    let scratch = repository.clone_here();
    let mut wrong = Vec::new();
    for pair in commits.windows(2) {
        let [(_, parent), (what, commit)] = pair else {
            continue;
        };
        let task = outwork.exec("replay", commit, &["--commit", parent]);
        if task["outcome"] != "succeeded" {
            let id = task["id"].as_str().unwrap_or_default();
            wrong.push(format!("{what}: {task:#} {:#}", outwork.task(id)["turns"]));
            continue;
        }
        let diff = outwork.diff(task["id"].as_str().expect("an id"), &[]);
        let patch = scratch.path().join(".git/patch");
        fs::write(&patch, &diff).expect("written");
        scratch.git(&["read-tree", parent]);
        let (code, said) = scratch.try_git(&["apply", "--cached", ".git/patch"]);
        let tree = scratch.git(&["write-tree"]);
        let wanted = scratch.git(&["rev-parse", &format!("{commit}^{{tree}}")]);
        if code != 0 || tree != wanted {
            let difference = scratch.git(&["diff", "--stat", &tree, &wanted]);
            wrong.push(format!("{what}: {said} {difference}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        commits.len() - 1,
        wrong.join("\n")
    );
}
