use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn registry(host: Option<&str>, name: &str, tag: Option<&str>) -> ImageRef {
    ImageRef::Registry(RegistryRef {
        host: host.map(str::to_owned),
        name: name.to_owned(),
        tag: tag.map(str::to_owned),
        digest: None,
    })
}

#[test]
fn references_are_read_as_everybody_reads_them() {
    let tag = |tag: &str| Some(tag.to_owned());
    for (text, expected) in [
        ("debian", registry(None, "debian", None)),
        ("debian:12", registry(None, "debian", Some("12"))),
        ("team/img", registry(None, "team/img", None)),
        ("oci", registry(None, "oci", None)),
        ("oci:1.2", registry(None, "oci", Some("1.2"))),
        (
            "ghcr.example/team/img:tag",
            registry(Some("ghcr.example"), "team/img", Some("tag")),
        ),
        ("localhost/x", registry(Some("localhost"), "x", None)),
        // In small letters it would be another image's name.
        ("Registry/x", registry(Some("Registry"), "x", None)),
        (
            "localhost:5000/x/y.z__w--v_u",
            registry(Some("localhost:5000"), "x/y.z__w--v_u", None),
        ),
        (
            "[::1]:5000/x:Tag_1.2-3",
            registry(Some("[::1]:5000"), "x", Some("Tag_1.2-3")),
        ),
        ("[::1]/x", registry(Some("[::1]"), "x", None)),
        (
            "oci:/images/dir",
            ImageRef::OciLayout {
                path: "/images/dir".into(),
                tag: None,
            },
        ),
        (
            "oci:/images/dir:v1",
            ImageRef::OciLayout {
                path: "/images/dir".into(),
                tag: tag("v1"),
            },
        ),
        (
            "oci-archive:/images/a:b/x.tar",
            ImageRef::OciArchive {
                path: "/images/a:b/x.tar".into(),
                tag: None,
            },
        ),
        (
            "docker-archive:/images/x.tar",
            ImageRef::DockerArchive {
                path: "/images/x.tar".into(),
            },
        ),
        (
            "/images/x.tar",
            ImageRef::Path {
                path: "/images/x.tar".into(),
            },
        ),
    ] {
        let parsed = ImageRef::parse(text).unwrap();
        assert_eq!(parsed, expected, "{text}");
        assert_eq!(parsed.to_string(), text);
    }
    assert_eq!(
        ImageRef::parse(" GHCR.Example/x\n"),
        Ok(registry(Some("ghcr.example"), "x", None))
    );
}

#[test]
fn a_digest_wins_over_a_tag() {
    let text = format!("localhost:5000/x:12@{DIGEST}");
    let parsed = ImageRef::parse(&text).unwrap();
    assert_eq!(parsed.to_string(), text);
    let ImageRef::Registry(reference) = &parsed else {
        panic!("{parsed:?}")
    };
    assert_eq!(reference.wanted(), DIGEST);
    let tagged = ImageRef::parse("localhost:5000/x:12").unwrap();
    assert_eq!(tagged.with_digest(DIGEST.parse().unwrap()), parsed);
    let ImageRef::Registry(reference) = ImageRef::parse("x").unwrap() else {
        panic!("not in a registry")
    };
    assert_eq!(reference.wanted(), "latest");
}

#[test]
fn what_names_no_image_is_refused_with_what_to_write() {
    let mut said = String::new();
    let long = "a".repeat(256);
    for text in [
        "",
        "https://ghcr.example/x",
        "docker://debian",
        "oci:./dir",
        "oci-archive:x.tar",
        "docker-archive:",
        "oci:/dir:a b",
        "Debian",
        "ghcr.example/Team/x",
        "ghcr.example/",
        "ghcr.example//x",
        "ghcr.example/x/",
        "ghcr.example/../x",
        "x:",
        "x:.tag",
        "x:tag/",
        "x@sha512:0",
        "x@",
        "x.-y.z/x",
        "host:0/x",
        "host:99999/x",
        "host:+1/x",
        "user:secret@host.example/x",
        "h?a.b/x",
        "[::1/x",
        "[::1]x/x",
        "[nothing]:1/x",
        "x__-y",
        "a b",
        "naïve",
        &long,
    ] {
        let error = ImageRef::parse(text).unwrap_err();
        let shown: String = text.chars().take(30).collect();
        said.push_str(&format!("{shown} -> {:.150}\n", error.to_string()));
    }
    insta::assert_snapshot!(said);
}
