//! Trees as they are found in the wild, and what is guessed for them.

mod node;
mod others;
mod python;

use std::collections::BTreeMap;

use super::*;

type Files<'a> = &'a [(&'a str, &'a str)];

fn guess_for(files: Files<'_>) -> Guess {
    let texts: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read = |path: &str| texts.get(path).map(|text| (*text).to_owned());
    let paths = texts.keys().map(|path| (*path).to_owned());
    guess(&Tree::new(paths, &read))
}

/// The guess as text: script, command, runtimes, notes, with their reasons.
fn shown(files: Files<'_>) -> String {
    let guess = guess_for(files);
    let mut text = guess.setup_script().unwrap_or_default();
    for part in &guess.verify {
        text.push_str(&format!("verify: {}  ({})\n", part.text, part.reason));
    }
    for pin in &guess.pins {
        let (runtime, version) = (pin.runtime.as_str(), &pin.version);
        text.push_str(&format!("runtime: {runtime}={version}  ({})\n", pin.reason));
    }
    for note in &guess.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn all_shown(cases: &[(&str, Files<'_>)]) -> String {
    let each = cases
        .iter()
        .map(|(name, files)| format!("=== {name}\n{}", shown(files)));
    each.collect::<Vec<_>>().join("\n")
}

const TESTED: &str = r#"{"name": "web", "devDependencies": {"jest": "29"},
    "scripts": {"test": "jest", "lint": "eslint .", "build": "tsc"}}"#;

#[test]
fn several_in_one_repository() {
    let shown = all_shown(&[
        (
            "a front end, a back end and a tool",
            &[
                ("web/package.json", TESTED),
                ("web/package-lock.json", "{}"),
                ("web/.nvmrc", "20"),
                ("services/api/requirements.txt", "pytest\n"),
                ("services/worker/requirements.txt", "celery\n"),
                ("tools/Cargo.toml", "[package]"),
                ("tools/Cargo.lock", ""),
                (
                    "extra/package.json",
                    r#"{"engines": {"node": "18.x"}, "scripts": {"test": "x"}}"#,
                ),
                ("Makefile", "test:\n\t./all\n"),
            ],
        ),
        (
            "what is not the repository's own work",
            &[
                ("package.json", TESTED),
                ("package-lock.json", "{}"),
                ("examples/a/package.json", TESTED),
                ("examples/a/package-lock.json", "{}"),
                ("node_modules/x/package.json", TESTED),
                (".github/actions/x/package.json", TESTED),
                ("a/b/c/d/package.json", TESTED),
                ("a/b/c/d/package-lock.json", "{}"),
                ("site/package.json", TESTED),
                ("site/package-lock.json", "{}"),
                ("tests/package.json", TESTED),
            ],
        ),
        (
            "odd folders",
            &[
                ("my app/go.mod", "module x\n"),
                ("it's $(here)/package.json", TESTED),
                ("it's $(here)/yarn.lock", "# yarn lockfile v1\n"),
                ("-rf/go.mod", "module y\n"),
            ],
        ),
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn there_is_an_end_to_it() {
    let names: Vec<String> = (0..30)
        .map(|number| format!("m{number:02}/go.mod"))
        .collect();
    let mut files: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "module x\n"))
        .collect();
    files.push(("z/package.json", TESTED));
    files.push(("z/package-lock.json", "{}"));
    let guess = guess_for(&files);
    assert_eq!(guess.verify.len(), PROJECTS);
    assert_eq!(guess.notes.len(), 31 - PROJECTS);
    assert!(
        guess
            .verify_command()
            .is_some_and(|command| command.starts_with("(cd z && npm test) && "))
    );
}

/// What the scripts say is Bash: it is asked, and runs nothing.
#[cfg(unix)]
#[test]
fn scripts_are_bash() {
    let guess = guess_for(&[
        ("it's $(here)/package.json", TESTED),
        ("it's $(here)/yarn.lock", "# yarn lockfile v1\n"),
        ("api/poetry.lock", ""),
        ("api/pyproject.toml", "[tool.poetry]\n"),
        ("Gemfile.lock", ""),
    ]);
    for text in [guess.setup_script(), guess.verify_command()] {
        let text = text.expect("something is known");
        let status = std::process::Command::new("bash")
            .args(["-n", "-c", &text])
            .status();
        assert!(status.expect("bash").success(), "{text}");
    }
}
