use super::*;

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect(text)
}

fn target(text: &str) -> Target {
    Target::parse(text, None).expect(text)
}

fn listed() -> Policy {
    Policy {
        destinations: Destinations::Listed {
            preset: Preset::Common,
            allow: vec![domain("example.com")],
        },
        ..Policy::closed()
    }
}

fn rule(policy: &Policy, text: &str) -> Result<String, String> {
    let decided = policy.check_host(target(text));
    decided
        .map(|permit| permit.rule().to_string())
        .map_err(|denial| denial.rule.to_string())
}

#[test]
fn each_decision_names_its_rule() {
    let policy = listed();
    for (text, expected) in [
        ("a.npmjs.org:443", Ok("preset common: npmjs.org")),
        ("EXAMPLE.com.:80", Ok("allow: example.com")),
        ("a.b.example.com:443", Ok("allow: example.com")),
        ("example.org:443", Err("not listed (preset common)")),
        ("notexample.com:443", Err("not listed (preset common)")),
        ("example.com:22", Err("ports: 80, 443")),
        ("localhost:443", Err("name: this machine")),
        ("8.8.8.8:443", Err("address: plain")),
        ("10.0.0.1:443", Err("address: private")),
        ("[::1]:443", Err("address: loopback")),
        (
            "169.254.169.254:80",
            Err("address: metadata service of a cloud"),
        ),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(rule(&policy, text), expected, "{text}");
    }
    assert_eq!(
        rule(&Policy::setup(), "any.example:443"),
        Ok("mode: all".to_owned())
    );
    assert_eq!(
        rule(&Policy::closed(), "npmjs.org:443"),
        Err("not listed (preset none)".to_owned())
    );
    let by_number = Policy {
        allow_addresses: vec!["10.0.0.0/8".parse().expect("a network")],
        ..Policy::closed()
    };
    assert_eq!(
        rule(&by_number, "10.1.2.3:80"),
        Ok("allow_addresses: 10.1.2.3".to_owned())
    );
}

#[test]
fn a_list_opens_no_name_of_the_machine() {
    let policy = Policy {
        destinations: Destinations::Listed {
            preset: Preset::None,
            allow: vec![domain("google.internal"), domain("ec2.internal")],
        },
        ..Policy::closed()
    };
    for text in ["metadata.google.internal:80", "instance.ec2.internal:80"] {
        assert_eq!(
            rule(&policy, text),
            Err("name: this machine".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn hints_say_what_to_type() {
    let remedies = Remedies {
        environment: Some("outwork env edit web".to_owned()),
        ..Remedies::default()
    };
    let hint = |text: &str, remedies: &Remedies| {
        let denial = listed().check_host(target(text)).expect_err(text);
        remedies.hint(&denial.remedy)
    };
    let typed = |text: &str| Some(text.to_owned());
    assert_eq!(
        hint("a.example.org:443", &remedies),
        typed("outwork env edit web --allow a.example.org")
    );
    assert_eq!(hint("a.example.org:443", &Remedies::default()), None);
    assert_eq!(
        hint("example.com:22", &remedies),
        typed("outwork env edit web --port 80 --port 443 --port 22")
    );
    assert_eq!(
        hint("example.com:22", &Remedies::default()),
        typed("outwork worker --setup-allow-port 22")
    );
    assert_eq!(
        hint("10.0.0.1:443", &remedies),
        typed("outwork worker --setup-allow-address ADDRESS")
    );
}

#[test]
fn contradictions() {
    let injection = |value: &str| {
        let secret = Secret::new(value);
        Injection::new("api.example.com", "authorization", secret).expect("an injection")
    };
    let tunnel = Policy {
        tls: TlsMode::Tunnel,
        ..listed()
    };
    let unread = Policy {
        methods: Methods::ReadOnly,
        ..tunnel.clone()
    };
    assert_eq!(unread.validate(), Err(Contradiction::MethodsUnread));
    let unread = Policy {
        injections: vec![injection("a")],
        ..tunnel.clone()
    };
    assert_eq!(unread.validate(), Err(Contradiction::InjectionUnread));
    let twice = Policy {
        injections: vec![injection("a"), injection("b")],
        ..listed()
    };
    assert_eq!(twice.validate(), Err(Contradiction::InjectedTwice));
    for policy in [tunnel, listed(), Policy::closed(), Policy::setup()] {
        assert_eq!(policy.validate(), Ok(()));
    }
}

#[test]
fn a_policy_survives_being_sent() {
    let secret = Secret::new("canary");
    let policy = Policy {
        injections: vec![Injection::new("api.example.com", "x-key", secret).expect("an injection")],
        allow_addresses: vec!["10.0.0.0/8".parse().expect("a network")],
        methods: Methods::ReadOnly,
        upload_bytes_per_host: Some(5),
        ..listed()
    };
    let text = serde_json::to_string(&policy).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Policy>(&text).expect("a policy"),
        policy
    );
    assert!(!format!("{policy:?}").contains("canary"));
    for wrong in [
        text.replace("example.com\"", "*\""),
        text.replace("x-key", "host"),
        text.replace("\"ports\"", "\"prots\""),
        text.replace("read_only", "write_only"),
    ] {
        assert_ne!(wrong, text);
        let error = serde_json::from_str::<Policy>(&wrong).expect_err("no policy");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

fn facts<'a>(method: &'a str, path: &'a str, query: &'a str) -> RequestFacts<'a> {
    RequestFacts {
        method,
        path,
        query,
        content_type: "",
        upgrade: None,
        overrides_method: false,
        is_tls: true,
    }
}

/// The rule that refuses, or nothing.
fn refused(policy: &Policy, facts: &RequestFacts<'_>) -> String {
    let permit = policy
        .check_host(target("example.com:443"))
        .expect("a permit");
    let decided = policy.check_request(&permit, facts);
    decided.map_or_else(|denial| denial.rule.to_string(), |_| String::new())
}

const READ_ONLY: &str = "methods: read_only";
const NO_PUSH: &str = "git_push: false";

#[test]
fn reading_only() {
    let policy = Policy {
        methods: Methods::ReadOnly,
        ..listed()
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(refused(&policy, &facts(method, "/", "")), "", "{method}");
        let overriding = RequestFacts {
            overrides_method: true,
            ..facts(method, "/", "")
        };
        assert_eq!(refused(&policy, &overriding), READ_ONLY, "{method}");
    }
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "Get", "X",
    ] {
        assert_eq!(
            refused(&policy, &facts(method, "/", "")),
            READ_ONLY,
            "{method}"
        );
        assert_eq!(refused(&listed(), &facts(method, "/", "")), "", "{method}");
    }
    for method in ["TRACE", "trace", "TRACK"] {
        assert_eq!(
            refused(&listed(), &facts(method, "/", "")),
            "methods: never TRACE"
        );
    }
    // git's fetch is a POST.
    let fetch = RequestFacts {
        content_type: "application/x-git-upload-pack-request",
        ..facts("POST", "/a/b.git/git-upload-pack", "")
    };
    assert_eq!(refused(&policy, &fetch), "");
    for wrong in [
        RequestFacts {
            content_type: "application/json",
            ..fetch
        },
        RequestFacts {
            method: "PUT",
            ..fetch
        },
        RequestFacts {
            overrides_method: true,
            ..fetch
        },
        RequestFacts {
            path: "/a/git-upload-pack/x",
            ..fetch
        },
        RequestFacts {
            path: "/a/xgit-upload-pack",
            ..fetch
        },
        RequestFacts {
            path: "/a/git-upload%2dpack",
            ..fetch
        },
        RequestFacts {
            path: "/a/git-upload-pack;x",
            ..fetch
        },
    ] {
        assert_eq!(refused(&policy, &wrong), READ_ONLY, "{wrong:?}");
    }
}

#[test]
fn every_spelling_of_a_push() {
    let push = RequestFacts {
        content_type: "application/x-git-receive-pack-request",
        ..facts("POST", "/a/b.git/git-receive-pack", "")
    };
    let spellings = [
        push,
        facts("GET", "/a/b.git/info/refs", "service=git-receive-pack"),
        facts(
            "GET",
            "/a/b.git/info/refs",
            "x=y&service=git-receive-pack&z",
        ),
        facts(
            "GET",
            "/a/b.git/info/refs",
            "service=git-upload-pack&service=git-receive-pack",
        ),
        facts("GET", "/a/b.git/info/refs", "service=git%2Dreceive%2dpack"),
        facts("GET", "/a/b.git/info/refs", "%73ervice=git-receive-pack"),
        facts("GET", "/a/b.git/info/refs", "service%3Dgit-receive-pack"),
        facts("GET", "/a/b.git/info/refs", "service=git%252dreceive-pack"),
        facts("HEAD", "/a/b.git/info/refs", "SERVICE=GIT-RECEIVE-PACK"),
        facts("GET", "/a/b.git/info/refs%3fservice=git-receive-pack", ""),
        facts("GET", "/a/b.git/%69nfo/refs", "service=git-receive-pack"),
        facts(
            "GET",
            "/a/b.git/./info/x/../refs",
            "service=git-receive-pack",
        ),
        facts("POST", "/a/b.git/git%2dreceive-pack", ""),
        facts("POST", "/a/b.git/%67it-receive-pack", ""),
        facts("POST", "/a/b.git/%2567it-receive-pack", ""),
        facts("POST", "/a/b.git/%252567it-receive-pack", ""),
        facts("POST", "/a/b.git/./git-receive-pack", ""),
        facts("POST", "/a/b.git/x/../git-receive-pack", ""),
        facts("POST", "/a/b.git/git-receive-pack/", ""),
        facts("POST", "/a/b.git/git-receive-pack/.", ""),
        facts("POST", "/a/b.git//git-receive-pack", ""),
        facts("POST", "/a/b.git/git-receive-pack;x=y", ""),
        facts("POST", "/a/b.git/git-receive-pack%00", ""),
        facts("POST", "/a/b.git%2fgit-receive-pack", ""),
        facts("POST", "/a/b.git\\git-receive-pack", ""),
        facts("POST", "/A/B.GIT/GIT-RECEIVE-PACK", ""),
        facts("PUT", "/a/b.git/git-receive-pack", ""),
        RequestFacts {
            overrides_method: true,
            ..facts("GET", "/a/git-receive-pack", "")
        },
        RequestFacts {
            content_type: "Application/X-Git-Receive-Pack-Request; a",
            ..facts("POST", "/x", "")
        },
    ];
    let open = Policy {
        git_push: true,
        ..listed()
    };
    for facts in spellings {
        assert_eq!(refused(&listed(), &facts), NO_PUSH, "{facts:?}");
        assert_eq!(refused(&open, &facts), "", "{facts:?}");
    }
    // Escapes that are none, or have no end.
    for path in [
        "/a/%",
        "/a/%6",
        "/a/%zz",
        "/a/%%36%37",
        "/a/%u0067it-receive-pack",
    ] {
        assert_eq!(
            refused(&listed(), &facts("POST", path, "")),
            "path: plain escapes",
            "{path}"
        );
    }
    let endless = format!("/%{}67it-receive-pack", "25".repeat(20));
    assert_eq!(
        refused(&listed(), &facts("POST", &endless, "")),
        "path: plain escapes"
    );
    // What only speaks of it.
    for facts in [
        facts("GET", "/docs/git-receive-pack", ""),
        facts("GET", "/search", "q=git-receive-pack"),
        facts("GET", "/a/b.git/info/refs", "service=git-upload-pack"),
        facts("PUT", "/@scope%2fname", "x=%&y=100%"),
    ] {
        assert_eq!(refused(&listed(), &facts), "", "{facts:?}");
    }
    // Pushing and reading only: the push itself, in its one form, whatever the methods.
    let both = Policy {
        methods: Methods::ReadOnly,
        ..open
    };
    assert_eq!(refused(&both, &push), "");
    assert_eq!(
        refused(&both, &facts("POST", "/a/git-receive-pack", "")),
        READ_ONLY
    );
}

#[test]
fn upgrades() {
    let upgrade = |protocol, method| RequestFacts {
        upgrade: Some(protocol),
        ..facts(method, "/", "")
    };
    let open = Policy {
        websocket: true,
        methods: Methods::ReadOnly,
        ..listed()
    };
    assert_eq!(
        refused(&listed(), &upgrade("WebSocket", "GET")),
        "websocket: false"
    );
    assert_eq!(refused(&open, &upgrade("WebSocket", "GET")), "");
    for (protocol, method) in [
        ("h2c", "GET"),
        ("websocket, h2c", "GET"),
        ("", "GET"),
        ("TLS/1.0", "GET"),
        ("websocket", "POST"),
    ] {
        assert_eq!(
            refused(&open, &upgrade(protocol, method)),
            "upgrade: websocket only",
            "{protocol}"
        );
    }
}

#[test]
fn credentials_go_to_one_host_over_tls() {
    let injection =
        |host: &str| Injection::new(host, "authorization", Secret::new("x")).expect(host);
    let policy = Policy {
        injections: vec![injection("example.com")],
        ..listed()
    };
    let injected = |policy: &Policy, host: &str, is_tls| {
        let permit = policy.check_host(target(host)).expect(host);
        let facts = RequestFacts {
            is_tls,
            ..facts("GET", "/", "")
        };
        let right = policy.check_request(&permit, &facts);
        right
            .map(|right| right.injections.len())
            .map_err(|denial| denial.rule.to_string())
    };
    assert_eq!(injected(&policy, "example.com:443", true), Ok(1));
    assert_eq!(injected(&policy, "sub.example.com:443", true), Ok(0));
    assert_eq!(injected(&policy, "npmjs.org:443", true), Ok(0));
    assert_eq!(
        injected(&policy, "example.com:80", false),
        Err("injection: https only".to_owned())
    );
    let plain = Policy {
        injections: vec![injection("example.com").over_plain_http()],
        ..listed()
    };
    assert_eq!(injected(&plain, "example.com:80", false), Ok(1));
}
