//! Other bases than the worker's own system: images, from files and from a registry, and pinned
//! runtimes.

mod build;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use self::build::{Layout, Registry};
use crate::harness::{By, Engine, Log, Outwork, Repository, by_both, open_scratch};

by_both!(setup_is_root_of_all_of_an_image);

fn id(task: &Value) -> &str {
    task["id"].as_str().expect("an id")
}

#[track_caller]
fn run(outwork: &Outwork, environment: &str) -> Log {
    let task = outwork.exec(environment, "go", &[]);
    let log = outwork.log(id(&task));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    log
}

/// Runs a task that fails; its failure.
#[track_caller]
fn failure(outwork: &Outwork, environment: &str, code: &str) -> (String, String) {
    let task = outwork.exec(environment, "go", &[]);
    let failure = outwork.failure(id(&task), 1);
    assert_eq!(failure["code"], code, "{failure:#}");
    let text = |field: &str| failure[field].as_str().unwrap_or_default().to_owned();
    (text("message"), text("hint"))
}

const SETUP: &str = r#"
    echo "setup $(id -u) on $(cat /etc/release)"
    echo 'echo tool of the image' > /usr/bin/tool; chmod +x /usr/bin/tool
    mkdir -p /srv/data; echo data > /srv/data/file; rm /usr/bin/sleep
    echo changed > /etc/release
"#;

const LOOK: &str = r#"
    echo "agent $(id -u) $OF_IMAGE on $(cat /etc/release)"
    bash /usr/bin/tool; cat /srv/data/file; ls / /usr/bin
    { touch /usr/mine; } 2> /dev/null && echo "can write /usr"
    echo more >> a
"#;

fn setup_is_root_of_all_of_an_image(by: By) {
    let image = Layout::new("one");
    let allow = image.path().display().to_string();
    let outwork = Outwork::run_by(by, &["--allow-local-image", &allow]);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file(SETUP);
    let reference = image.reference();
    let flags = [
        "--image",
        &reference,
        "--setup",
        &setup,
        "--agent-command",
        LOOK,
    ];
    outwork.environment("demo", &repository, &flags);
    let mut found = "agent 1000 yes on changed\ntool of the image\ndata\n".to_owned();
    found += "/:\nbin\ndev\netc\nhome\n";
    for number in 1..=2 {
        let log = run(&outwork, "demo");
        let output = log.output();
        let output = match number {
            1 => {
                assert_eq!(log.snapshots(), ["building", "built"]);
                output
                    .strip_prefix("setup 0 on one\n")
                    .expect("setup came first")
            }
            _ => {
                assert_eq!(log.snapshots(), ["cached"]);
                &output
            }
        };
        assert!(output.starts_with(&found), "{output}");
        // Nothing of the worker's own system; and not what setup removed.
        let programs = output.split_once("/usr/bin:\n").expect("listed").1;
        let own = if by == By::Ordinary {
            "can write /usr\n"
        } else {
            ""
        };
        assert_eq!(
            programs,
            format!("bash\ncat\nchmod\nid\nls\nmkdir\nrm\ntool\ntouch\n{own}")
        );
        assert!(
            log.step_names().contains(&"image".to_owned()),
            "{:?}",
            log.step_names()
        );
    }
    outwork
        .run(&[
            "env",
            "edit",
            "demo",
            "--no-image",
            "--agent-command",
            "true",
            "--no-setup",
        ])
        .success();
    let log = run(&outwork, "demo");
    assert!(
        log.why_built().contains("base image removed"),
        "{}",
        log.why_built()
    );
    outwork.end();
}

#[test]
fn an_image_comes_from_a_registry_and_another_one_is_another_base() {
    let registry = Registry::start();
    registry.push("team/small", "1", &Layout::new("one"));
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let image = registry.image("team/small:1");
    let flags = [
        "--image",
        &image,
        "--agent-command",
        "cat /etc/release; echo 2 >> a",
    ];
    outwork.environment("demo", &repository, &flags);
    let first = run(&outwork, "demo");
    assert_eq!(first.output(), "one");
    assert_eq!(
        first.step_names(),
        ["checkout", "image", "setup", "agent", "diff"]
    );
    assert_eq!(run(&outwork, "demo").snapshots(), ["cached"]);

    registry.push("team/small", "2", &Layout::new("two"));
    let image = registry.image("team/small:2");
    outwork
        .run(&["env", "edit", "demo", "--image", &image])
        .success();
    let second = run(&outwork, "demo");
    assert_eq!(
        (second.output().as_str(), second.why_built().as_str()),
        ("two", "base image changed")
    );
    outwork.end();
}

#[test]
fn an_image_that_cannot_be_had_or_used_is_a_clear_failure() {
    let registry = Registry::start();
    registry.push("empty", "1", &Layout::of_one_file("etc/nothing"));
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Layout::new("one");
    let cases = [
        (registry.image("empty:2"), "has no image"),
        (registry.image("nobody/knows:1"), "nobody/knows"),
        (registry.image("empty:1"), "has no /bin/bash"),
        (here.reference(), "--allow-local-image"),
        ("small".to_owned(), "--default-registry"),
        ("127.0.0.1:1/small".to_owned(), "127.0.0.1:1"),
    ];
    let mut wrong = Vec::new();
    for (number, (image, says)) in cases.iter().enumerate() {
        let label = format!("demo{number}");
        let flags = ["--image", image, "--agent-command", "true"];
        outwork.environment(&label, &repository, &flags);
        let (message, hint) = failure(&outwork, &label, "base_image_unavailable");
        if hint.is_empty() || !format!("{message} {hint}").contains(says) {
            wrong.push(format!("{image}: {says:?} is not in {message:?} {hint:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let refused = outwork
        .run(&["env", "edit", "demo0", "--image", "not an image"])
        .code(1);
    assert!(refused.stderr.contains("--image"), "{}", refused.stderr);
    outwork.end();
}

#[test]
fn a_pinned_runtime_comes_first_and_a_missing_one_lists_what_there_is() {
    let offers = open_scratch();
    for version in ["1.98.7", "1.99.2"] {
        let bin = offers.path().join("go").join(version).join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        let text = format!("#!/bin/sh\necho go version go{version} offered\n");
        fs::write(bin.join("go"), text).expect("written");
        fs::set_permissions(bin.join("go"), fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let offered = offers.path().display().to_string();
    let outwork = Outwork::up_with(Engine::Sqlite, &["--runtimes-dir", &offered]);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file("go version > ~/setup");
    let flags = [
        "--runtime",
        "go=1.98",
        "--setup",
        &setup,
        "--agent-command",
        "cat ~/setup; go version",
    ];
    outwork.environment("demo", &repository, &flags);
    let said = |version: &str| format!("go version go{version} offered\n").repeat(2);
    assert_eq!(run(&outwork, "demo").output(), said("1.98.7"));
    outwork
        .run(&["env", "edit", "demo", "--runtime", "go=1"])
        .success();
    let log = run(&outwork, "demo");
    assert_eq!(
        (log.output(), log.why_built()),
        (said("1.99.2"), "runtime go changed".to_owned())
    );
    outwork
        .run(&["env", "edit", "demo", "--runtime", "go=1.97"])
        .success();
    let (message, hint) = failure(&outwork, "demo", "runtime_unavailable");
    assert!(
        message.starts_with("go 1.97 is not on the worker's own system"),
        "{message}"
    );
    assert!(message.contains("1.98.7, 1.99.2"), "{message}");
    assert!(hint.contains("outwork env edit demo --runtime"), "{hint}");

    // One that the system has, whichever that is.
    let edit = [
        "env",
        "edit",
        "demo",
        "--no-runtime",
        "go",
        "--no-setup",
        "--runtime",
        "python=1.0",
    ];
    outwork.run(&edit).success();
    let (message, _) = failure(&outwork, "demo", "runtime_unavailable");
    let there = message.split_once("there is ").expect("a list").1;
    let version = there.split([',', ' ']).next().expect("one");
    let version = version.trim_end_matches('.');
    if version.starts_with(|first: char| first.is_ascii_digit()) {
        let pin = format!("python={version}");
        let agent = "python3 --version; python --version";
        outwork
            .run(&[
                "env",
                "edit",
                "demo",
                "--runtime",
                &pin,
                "--agent-command",
                agent,
            ])
            .success();
        assert_eq!(
            run(&outwork, "demo").output(),
            format!("Python {version}\n").repeat(2)
        );
    }
    outwork.end();
}
