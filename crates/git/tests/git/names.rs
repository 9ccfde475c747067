use outwork_git::{CommitRef, RefName, RepoUrl};

#[test]
fn addresses_that_are_taken() {
    for (text, display) in [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("HTTPS://github.com/a/b", "https://github.com/a/b"),
        (
            "https://org@dev.azure.com/org/p/_git/r",
            "https://dev.azure.com/org/p/_git/r",
        ),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("ssh://git@example.com:22/a/b", "ssh://example.com:22/a/b"),
        ("git@github.com:a/b.git", "github.com:a/b.git"),
        ("host:a/b", "host:a/b"),
        ("git://example.com/a", "git://example.com/a"),
        ("file:///srv/a b", "file:///srv/a b"),
        ("file://localhost/srv/a", "file:///srv/a"),
        ("/srv/repos/a", "/srv/repos/a"),
    ] {
        let url = RepoUrl::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(url.to_string(), display);
        assert_eq!(format!("{url:?}"), format!("RepoUrl({display})"));
    }
}

#[test]
fn addresses_that_are_refused() {
    for (text, reason) in [
        ("", "empty"),
        ("-oProxyCommand=x", "begins with '-'"),
        ("--upload-pack=x", "begins with '-'"),
        ("ext::sh -c x", "space"),
        ("ext::sh", "remote helpers"),
        ("fd::17", "remote helpers"),
        ("ftp://example.com/x", "protocol"),
        ("ext://x/y", "protocol"),
        ("https://user:secret@example.com/x", "password or token"),
        ("https://user%3Asecret@example.com/x", "password or token"),
        ("https://ghp_abcdefghij@github.com/x", "password or token"),
        ("https://github_pat_11AAA@github.com/x", "password or token"),
        ("ssh://git:secret@example.com/x", "password or token"),
        ("user:secret@example.com:x", "password or token"),
        ("ssh://-oProxyCommand=x/y", "host name"),
        ("ssh://-l@example.com/y", "user name"),
        ("-x@example.com:y", "begins with '-'"),
        ("git@-x:y", "host name"),
        ("git@host:-x", "begins with '-'"),
        ("https://example.com", "no repository"),
        ("https:///x", "host name"),
        ("https://exa mple.com/x", "space"),
        ("https://example.com:99999/x", "port"),
        ("https://example.com/a/../b", "'..'"),
        ("https://example.com/a/%2e%2E/b", "'..'"),
        ("https://example.com/a/.%2e/b", "'..'"),
        ("https://example.com/a%0ahost=evil", "encoded control"),
        ("/srv/../etc", "'..'"),
        ("file://srv/x", "three slashes"),
        ("relative/path", "give https"),
        ("name", "give https"),
        ("https://example.com/a\nb", "control"),
        ("https://example.com/a\0b", "control"),
        ("https://example.com/a\u{3000}b", "unusual space"),
        ("https://example.com/a\u{202e}b", "invisible"),
        ("/srv/a\u{a0}b", "unusual space"),
        ("https://example.com/a\\b", "backslash"),
    ] {
        let fault = RepoUrl::parse(text).expect_err(text).to_string();
        assert!(fault.contains(reason), "{text:?}: {fault}");
        assert!(
            !fault.contains("secret") && !fault.contains("ghp_"),
            "{fault}"
        );
    }
    assert!(RepoUrl::parse(&format!("https://example.com/{}", "a".repeat(3000))).is_err());
}

#[test]
fn branches() {
    for (text, name) in [
        ("main", "main"),
        ("refs/heads/main", "main"),
        ("feature/ü-1", "feature/ü-1"),
        ("a\"b", "a\"b"),
        ("$(id)", "$(id)"),
        ("a;b", "a;b"),
    ] {
        assert_eq!(
            RefName::parse(text)
                .unwrap_or_else(|fault| panic!("{fault}"))
                .as_str(),
            name
        );
    }
    for text in [
        "",
        "-x",
        "--upload-pack=x",
        "refs/heads/-x",
        "a..b",
        "a b",
        "a\u{3000}b",
        "a\nb",
        "a\0b",
        "a\u{200b}b",
        "a~b",
        "a^b",
        "a:b",
        "a?b",
        "a*b",
        "a[b",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a.",
        "@",
        "HEAD",
        "a@{b",
        "refs/tags/x",
        "\u{7f}",
        "refs/heads/",
    ] {
        assert!(RefName::parse(text).is_err(), "{text:?}");
    }
    assert!(RefName::parse(&"a".repeat(300)).is_err());
    let fault = RefName::parse("main\u{3000}|| curl")
        .expect_err("refused")
        .to_string();
    assert_eq!(
        fault,
        "branch \"main\\u{3000}|| curl\" is not valid: it holds a control, invisible or unusual space character"
    );
}

#[test]
fn branch_rules_are_not_looser_than_gits() {
    for byte in 1..=127u8 {
        let name = format!("a{}b", char::from(byte));
        let git = std::process::Command::new("git")
            .args(["check-ref-format", &format!("refs/heads/{name}")])
            .status()
            .expect("git starts");
        if RefName::parse(&name).is_ok() {
            assert!(git.success(), "{name:?}");
        }
    }
}

#[test]
fn commits() {
    let full = "A".repeat(40);
    assert!(
        matches!(CommitRef::parse(&full), Ok(CommitRef::Full(id)) if id.as_str() == "a".repeat(40))
    );
    assert!(matches!(
        CommitRef::parse(&"0".repeat(64)),
        Ok(CommitRef::Full(_))
    ));
    assert!(matches!(
        CommitRef::parse("abcdef1"),
        Ok(CommitRef::Abbreviated(_))
    ));
    for text in [
        "",
        "abcdef",
        "abcdefg",
        "HEAD",
        "-abcdef1",
        "abcdef1 ",
        &"a".repeat(65),
    ] {
        assert!(CommitRef::parse(text).is_err(), "{text:?}");
    }
}
