//! What `.outwork.toml` may hold, and how what it may not is said.

use super::*;

fn wanted(text: &str, top: &Path) -> Result<Wanted, CliError> {
    ProjectFile::parse(text)?.resolved(top)
}

#[test]
fn everything_is_read() {
    let top = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(top.path().join("scripts")).expect("made");
    std::fs::write(top.path().join("scripts/fresh.sh"), "npm ci\n").expect("written");
    let text = r#"
label = "web"
branch = "main"
image = "debian:12"
setup = """
npm ci
"""
maintenance = { file = "scripts/fresh.sh" }
verify = "npm test"
secrets = ["NPM_TOKEN"]

[runtimes]
node = "22"

[variables]
NODE_ENV = "test"

[[also]]
name = "docs"
url = "https://h/d"
branch = "next"
"#;
    let text_of = |text: &str| Some(text.to_owned());
    let table =
        |name: &str, value: &str| Some(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    let expected = Wanted {
        label: text_of("web"),
        branch: text_of("main"),
        image: text_of("debian:12"),
        setup: text_of("npm ci\n"),
        maintenance: text_of("npm ci\n"),
        verify: text_of("npm test"),
        secrets: Some(vec!["NPM_TOKEN".to_owned()]),
        runtimes: table("node", "22"),
        variables: table("NODE_ENV", "test"),
        also: Some(vec![Repository {
            name: "docs".to_owned(),
            url: "https://h/d".to_owned(),
            branch: text_of("next"),
        }]),
    };
    assert_eq!(wanted(text, top.path()).expect("read"), expected);
    // What is written is what was read.
    let file = ProjectFile::parse(text).expect("read");
    let again = ProjectFile::parse(&file.to_toml()).expect("read");
    assert_eq!(again, file);
    assert_eq!(wanted("", top.path()).expect("read"), Wanted::default());
}

#[test]
fn a_fault_is_named_with_its_line() {
    let told = |text: &str| {
        let error = ProjectFile::parse(text).expect_err("a fault");
        format!("{error}\n{}", error.root_cause().unwrap_or_default())
    };
    let all = [
        "label = \"web\"\nsetpu = \"npm ci\"\n",
        "[runtimes]\nnode = 22\n",
        "secrets = { NPM_TOKEN = \"s3cret\" }\n",
        "secrets = [\"NPM_TOKEN=s3cret\"]\n",
        "setup = 1\n",
        "setup = { path = \"x\" }\n",
        "setup = { file = \"\" }\n",
        "[[also]]\nname = \"docs\"\n",
        "verify = \"npm\ntest\"\n",
    ];
    insta::assert_snapshot!(all.map(told).join("\n---\n"));
}

#[test]
fn a_repository_does_not_say_what_its_agents_may() {
    for text in [
        "[network]\nmode = \"on\"\n",
        "network = \"on\"\n",
        "resources = { memory_bytes = 1 }\n",
        "nested_namespaces = true\n",
        "max_tokens = 1000000\n",
        "[[injections]]\nhost = \"a.example\"\n",
    ] {
        let error = ProjectFile::parse(text).expect_err("it is not theirs");
        let hint = error.hint.expect("a hint");
        assert!(hint.contains("outwork env edit"), "{text}: {hint}");
    }
    let typo = ProjectFile::parse("netwrok = 1\n").expect_err("no such key");
    let hint = typo.hint.expect("a hint");
    assert!(hint.contains("docs/cli.md"), "{hint}");
}

#[cfg(unix)]
#[test]
fn a_script_lies_inside_the_repository() {
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("key"), "s3cret").expect("written");
    let top = outside.path().join("clone");
    std::fs::create_dir(&top).expect("made");
    std::os::unix::fs::symlink("../key", top.join("link.sh")).expect("made");
    std::os::unix::fs::symlink("..", top.join("up")).expect("made");
    std::fs::write(top.join("setup.sh"), "make\n").expect("written");
    std::os::unix::fs::symlink("setup.sh", top.join("alias.sh")).expect("made");
    let absolute = outside.path().join("key").display().to_string();
    for (name, expected) in [
        ("../key", Err("is not inside the repository")),
        (absolute.as_str(), Err("is not inside the repository")),
        ("link.sh", Err("is a link to the outside of the repository")),
        ("up/key", Err("is a link to the outside of the repository")),
        ("none.sh", Err("cannot be read")),
        ("./alias.sh", Ok("make\n")),
    ] {
        let got = wanted(&format!("setup = {{ file = \"{name}\" }}"), &top);
        match (got, expected) {
            (Ok(got), Ok(text)) => assert_eq!(got.setup.as_deref(), Some(text)),
            (Err(error), Err(why)) => assert!(error.message.ends_with(why), "{error}"),
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
}
