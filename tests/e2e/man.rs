//! The manual pages.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Done, Engine, Outwork, clean};

/// The page as a person reads it, and what the formatter had to say about it.
fn formatted(page: &Path) -> Done {
    let mut man = Command::new("man");
    man.args(["--warnings", "--encoding=UTF-8", "--local-file"])
        .arg(page)
        .env("MANROFFSEQ", "")
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8")
        .env("MANPAGER", "cat")
        .stdin(Stdio::null());
    Done::of(man.output())
}

#[test]
fn each_command_has_a_page_that_reads_well() {
    let outwork = Outwork::up(Engine::Sqlite);
    let folder = outwork.dir.path().join("share/man1");
    let written = outwork
        .run(&["man", &folder.display().to_string()])
        .success();
    let mut pages: Vec<String> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("readable").file_name().display().to_string())
        .collect();
    pages.sort();
    let count = format!("{} pages are in", pages.len());
    assert!(written.stderr.contains(&count), "{}", written.stderr);
    // Those that the help lists, and no hidden ones.
    let help = outwork.run(&["--help"]).success().text();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let named: Vec<&str> = names
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(named.len() > 20, "{help}");
    for name in named {
        let page = format!("outwork-{name}.1");
        assert!(pages.contains(&page), "{page} is not in {pages:?}");
    }
    for page in [
        "outwork.1",
        "outwork-env-secret-set.1",
        "outwork-workers-drain.1",
    ] {
        assert!(
            pages.contains(&page.to_owned()),
            "{page} is not in {pages:?}"
        );
    }
    assert!(!pages.contains(&"outwork-cloud.1".to_owned()), "{pages:?}");

    if clean("man")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("`man` is not installed: the pages are not looked at");
        return;
    }
    for page in &pages {
        let done = formatted(&folder.join(page)).success();
        assert_eq!(done.stderr, "", "{page}");
    }
    let exec = formatted(&folder.join("outwork-exec.1")).text();
    for text in [
        "outwork-exec - Submit a task",
        "--output-schema",
        "git log -5 | outwork exec",
    ] {
        assert!(exec.contains(text), "{text} is not in {exec}");
    }
    // Without a folder the first page is printed, the same one.
    let first = outwork.run(&["man"]).success().stdout;
    assert_eq!(first, fs::read(folder.join("outwork.1")).expect("the page"));
}
