//! What a script writes down is told; and a secret is its environment's, under the server's key.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use super::canary::Canaries;
use super::{environment, left_on_disk, told};
use crate::harness::{Done, Engine, Outwork, Repository, outwork as program};

/// What installers do.
const WRITE: &str = r#"
echo "//registry.example/:_authToken=$PLAIN" > ~/.npmrc
mkdir -p ~/.config/demo ~/.ssh
printf '{"auth":"%s"}' "$(printf 'user:%s' "$PLAIN" | base64 -w 0)" > ~/.config/demo/config.json
sed 's/^/  /' <<<"$PEM" > ~/.ssh/id_demo
python3 -c 'import json, os; print(json.dumps({"key": os.environ["ODD"]}))' > ~/odd.json
echo "$PLAIN" >> tracked
echo "export TOKEN=$PLAIN" > untracked
git config "url.https://user:$PLAIN@git.example/.insteadOf" https://git.example/
echo "$PLAIN" > /usr/local/share/demo
touch "/opt/cache-$PLAIN"
ln -s "/nowhere/$PLAIN" /var/lib/link
tail -c 60000 <<<"$LONG" > /etc/demo.conf
echo "$PLAIN" > /tmp/not-kept
"#;

#[test]
fn what_a_script_writes_down_is_told() {
    let outwork = Outwork::up(Engine::Sqlite);
    let canaries = Canaries::new(&outwork.dir.path().display().to_string());
    let repository = Repository::with(&[("tracked", "1\n")]);
    let (url, setup) = (repository.url(), outwork.file(WRITE));
    let maintenance = outwork.file("echo \"machine h password $PLAIN\" > ~/.netrc\n");
    let flags = [
        "--repo",
        &url,
        "--setup",
        &setup,
        "--maintenance",
        &maintenance,
        "--agent-command",
        "cat tracked",
    ];
    environment(&outwork, &canaries, "careless", &flags);
    let task = outwork.exec("careless", "go", &[]);
    let task = task["id"].as_str().expect("an id").to_owned();
    let log = outwork.log(&task);
    let checkout = format!(
        "/workspace/{}",
        repository.path().file_name().expect("a name").display()
    );
    let sentence = |name: &str, path: &str| {
        let path = path.replace('~', "/home/agent");
        format!(
            "The setup script wrote the secret {name} into {path}: the agent can read it there."
        )
    };
    let expected = BTreeSet::from([
        "Too short to be told from other text, so not masked in the log: SHORT.".to_owned(),
        "The setup script changed files that the repository tracks; they were put back: tracked."
            .to_owned(),
        sentence("PLAIN", "~/.npmrc"),
        sentence("PLAIN", "~/.config/demo/config.json"),
        sentence("PEM", "~/.ssh/id_demo"),
        sentence("ODD", "~/odd.json"),
        sentence("PLAIN", &format!("{checkout}/untracked")),
        sentence("PLAIN", "/usr/local/share/demo"),
        sentence("PLAIN", "/opt/cache-[secret PLAIN]"),
        sentence("PLAIN", "/var/lib/link"),
        sentence("LONG", "/etc/demo.conf"),
    ]);
    let warnings: BTreeSet<String> = log.warnings().into_iter().collect();
    assert_eq!(warnings, expected);
    assert_eq!(log.output(), "1\n");

    // The next task says what its own script wrote.
    let next = outwork.exec("careless", "go", &[]);
    let next = next["id"].as_str().expect("an id").to_owned();
    let log = outwork.log(&next);
    assert_eq!(log.snapshots(), ["cached"]);
    let warnings: BTreeSet<String> = log.warnings().into_iter().collect();
    let netrc = sentence("PLAIN", "~/.netrc").replace("setup", "maintenance");
    assert!(warnings.contains(&netrc), "{warnings:#?}");

    // In those places, and nowhere else.
    let answers = told(&outwork, &task) + &told(&outwork, &next);
    assert_eq!(canaries.places_in(answers.as_bytes()), []);
    let kept = outwork.kept().snapshot();
    let kept = kept
        .strip_prefix(outwork.dir.path())
        .expect("below")
        .display()
        .to_string();
    let mut places: Vec<String> = left_on_disk(&outwork, &canaries).into_keys().collect();
    for place in &mut places {
        *place = place
            .replace(&format!("{kept}/data/"), "")
            .replace(canaries.value("PLAIN"), "PLAIN");
    }
    places.sort();
    let mut expected: Vec<String> = [
        "the file root/home/agent/.npmrc",
        "the file root/home/agent/.config/demo/config.json",
        "the file root/home/agent/.ssh/id_demo",
        "the file root/home/agent/odd.json",
        "the file usr-local/share/demo",
        "the name opt/cache-PLAIN",
        "the link root/var/lib/link",
        "the file root/etc/demo.conf",
    ]
    .map(str::to_owned)
    .to_vec();
    // Git is given a configuration of its own.
    expected.push(format!("the file root{checkout}/untracked"));
    expected.sort();
    assert_eq!(places, expected);
}

/// Which value it has, in a form that is not masked.
const TELL: &str = r#"printf '%s' "${PLAIN-none}" | sha256sum | head -c 16; echo"#;

/// The same of a value.
fn digest(value: &str) -> String {
    let line = format!("printf '%s' '{value}' | sha256sum | head -c 16");
    let output = Command::new("sh")
        .args(["-c", &line])
        .output()
        .expect("sh runs");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_secret_is_its_environments_and_changes_make_a_new_snapshot() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file(TELL);
    for label in ["one", "two", "none"] {
        outwork.environment(
            label,
            &repository,
            &["--setup", &setup, "--agent-command", "env"],
        );
    }
    let set = |label: &str, value: &str| {
        let set = ["env", "secret", "set", label, "PLAIN"];
        outwork.run_with_input(&set, value.as_bytes()).success();
    };
    // What the script saw, or that it did not run.
    let seen = |label: &str| {
        let task = outwork.exec(label, "go", &[]);
        let log = outwork.log(task["id"].as_str().expect("an id"));
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        let output = log.output();
        assert!(!output.contains("PLAIN"), "{output}");
        let first = output.lines().next().unwrap_or_default().to_owned();
        match log.snapshots().first().map(String::as_str) {
            Some("cached") => "cached".to_owned(),
            Some("building") => first,
            other => panic!("{other:?} in {log:#?}"),
        }
    };
    set("one", "value-of-the-first");
    set("two", "value-of-the-second\n");
    let none = digest("none");
    assert_eq!(seen("one"), digest("value-of-the-first"));
    assert_eq!(seen("two"), digest("value-of-the-second"));
    assert_eq!(seen("none"), none);
    assert_eq!([seen("one"), seen("two"), seen("none")], ["cached"; 3]);
    set("one", "value-of-the-third");
    assert_eq!(seen("one"), digest("value-of-the-third"));
    assert_eq!(seen("two"), "cached");
    outwork
        .run(&["env", "secret", "rm", "one", "PLAIN"])
        .success();
    let left = outwork
        .run(&["env", "secret", "list", "one", "--json"])
        .success();
    assert_eq!(left.json(), serde_json::json!({ "secrets": [] }));
    assert_eq!(seen("one"), none);
    // It is another secret of that name, and not the first one.
    set("one", "value-of-the-fourth");
    assert_eq!(seen("one"), digest("value-of-the-fourth"));
    outwork.end();
}

/// Starts a server that is to end at once.
fn refused(outwork: &Outwork, more: &[&str]) -> Done {
    let mut command = program();
    command.args(["server", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(outwork.dir.path().join("data")).args(more);
    Done::of(command.stdin(Stdio::null()).output()).code(1)
}

#[test]
fn without_its_key_a_server_does_not_start_and_nothing_is_told() {
    let mut outwork = Outwork::up(Engine::Sqlite);
    let canaries = Canaries::new(&outwork.dir.path().display().to_string());
    let repository = Repository::with(&[("a", "1\n")]);
    let (url, setup) = (repository.url(), outwork.file(TELL));
    let flags = ["--repo", &url, "--setup", &setup, "--agent-command", "true"];
    environment(&outwork, &canaries, "sealed", &flags);
    outwork.process.terminate();

    let key = outwork.dir.path().join("data/secret.key");
    let text = fs::read_to_string(&key).expect("readable");
    let another = outwork.file(&"5a".repeat(32));
    rustix::fs::chmod(another.as_str(), rustix::fs::Mode::from_raw_mode(0o600)).expect("ours");
    let mut said = String::new();
    let wrong = refused(&outwork, &["--secret-key-file", &another]);
    said += &wrong.stderr;
    fs::remove_file(&key).expect("removed");
    let missing = refused(&outwork, &[]);
    said += &missing.stderr;
    for done in [wrong, missing] {
        assert!(
            done.stderr.contains("key") && done.stderr.contains("--forget-secrets"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(canaries.places_in(said.as_bytes()), []);
    assert_eq!(left_on_disk(&outwork, &canaries), super::Places::new());

    // With the key from a backup everything is there again.
    let _ = fs::remove_file(&key);
    fs::write(&key, text).expect("written");
    rustix::fs::chmod(&key, rustix::fs::Mode::from_raw_mode(0o600)).expect("ours");
    outwork.restart();
    let task = outwork.exec("sealed", "go", &[]);
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(
        log.output(),
        format!("{}\n", digest(canaries.value("PLAIN")))
    );

    // Without a backup the secrets have to be given up, and said to be.
    outwork.process.terminate();
    fs::remove_file(&key).expect("removed");
    let mut command = program();
    command.args([
        "server",
        "--forget-secrets",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
    ]);
    command.arg(outwork.dir.path().join("data"));
    let dir = std::mem::replace(&mut outwork.dir, crate::harness::scratch());
    let outwork = Outwork::from_command(command, dir);
    let left = outwork
        .run(&["env", "secret", "list", "sealed", "--json"])
        .success();
    assert_eq!(left.json(), serde_json::json!({ "secrets": [] }));
    assert!(
        outwork.process.log().contains("deleted"),
        "{}",
        outwork.process.log()
    );
}
