use super::*;

#[test]
fn paths_in_a_prompt_are_found() {
    for (prompt, expected) in [
        ("fix src/parser/lexer.rs", vec!["src/parser/lexer.rs"]),
        ("fix the bug in lexer.rs.", vec!["lexer.rs"]),
        (
            "`crates/cli/src/main.rs:12:5` panics",
            vec!["crates/cli/src/main.rs"],
        ),
        ("see @docs/api.md#L10-L20, please", vec!["docs/api.md"]),
        (
            "(src/parser) and \"src/lexer/\"",
            vec!["src/parser", "src/lexer"],
        ),
        ("all of src/**/*.rs and tests/*.py", vec!["src", "tests"]),
        ("./run and ./scripts/run.sh", vec!["run", "scripts/run.sh"]),
        ("a.rs a.rs b.rs", vec!["a.rs", "b.rs"]),
        (
            "the Makefile, .gitignore and Cargo.toml",
            vec!["Makefile", ".gitignore", "Cargo.toml"],
        ),
        ("one/two/three", vec!["one/two/three"]),
        ("docs/ü ber.md", vec!["docs/ü", "ber.md"]),
        ("täst/größe.rs", vec!["täst/größe.rs"]),
        ("error at src/a.rs:10-20: boom", vec!["src/a.rs"]),
    ] {
        assert_eq!(named_in(prompt), expected, "{prompt}");
    }
}

#[test]
fn ordinary_words_are_none() {
    for prompt in [
        "",
        "read and/or write, TCP/IP, I/O, 24/7, client/server",
        "e.g. version 1.2.3 of example.com, i.e. node.example",
        "https://github.com/team/app/blob/main/src/lib.rs and git@github.com:team/app.rs",
        "/etc/passwd ../../secret.txt src/../../x.rs",
        "use .NET / Java -- / — // ... :: a/ ./",
        "price: $5/month, 50%/50%, C:\\src\\a.rs",
        "call foo::bar(), x.y(), self.name",
        "mail ada@example.rs",
        "Node.js and process.env",
    ] {
        assert_eq!(named_in(prompt), Vec::<String>::new(), "{prompt}");
    }
}

#[test]
fn a_prompt_names_only_so_many() {
    let long: Vec<String> = (0..1000)
        .map(|number| format!("src/f{number}.rs"))
        .collect();
    assert_eq!(named_in(&long.join(" ")), long[..NAMED]);
    let endless = "a/".repeat(500_000);
    assert_eq!(named_in(&endless), Vec::<String>::new());
}

#[test]
fn declared_paths_are_within_the_repository() {
    for (text, expected) in [
        ("src/a.rs", Ok("src/a.rs")),
        (" ./src//b/ ", Ok("src/b")),
        ("with space/ü", Ok("with space/ü")),
        ("", Err(InvalidPath::Empty)),
        ("./.", Err(InvalidPath::Empty)),
        ("/src", Err(InvalidPath::Outside)),
        ("a/../b", Err(InvalidPath::Outside)),
        ("a\nb", Err(InvalidPath::Unreadable)),
    ] {
        assert_eq!(declared(text), expected.map(str::to_owned), "{text:?}");
    }
    assert_eq!(declared(&"x".repeat(2000)), Err(InvalidPath::Unreadable));
}

#[test]
fn a_repository_is_the_same_by_each_of_its_addresses() {
    for url in [
        "https://github.com/team/app",
        "https://user@GitHub.com/team/app.git",
        "ssh://git@github.com:22/team/app.git",
        "git@github.com:team/app.git",
    ] {
        assert_eq!(repository_address(url), "github.com/team/app", "{url}");
    }
    assert_eq!(repository_address("file:///srv/app.git"), "/srv/app");
    assert_eq!(repository_address("/srv/app/"), "/srv/app");
}
