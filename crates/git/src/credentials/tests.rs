use super::*;
use crate::process::Git;
use std::process::Command;

const CANARY: &str = "canary-4fd1c07b";

#[test]
fn a_token_is_one_line() {
    let token = |text| Credentials::token(None, text);
    assert_eq!(token(" secret\n"), token("secret"));
    assert_eq!(token(" \n"), Err(InvalidCredential::EmptyToken));
    for text in ["a\nb", "a\rb", "a\0b", "password=a\nhost=b"] {
        assert_eq!(
            token(text),
            Err(InvalidCredential::TokenCharacters),
            "{text:?}"
        );
    }
    let named = |name| Credentials::token(Some(name), "secret");
    assert_eq!(named(" "), token("secret"));
    assert!(named("me@example.com").is_ok());
    for name in ["a:b", "a\nb"] {
        assert_eq!(named(name), Err(InvalidCredential::Username), "{name:?}");
    }
}

#[test]
fn nothing_of_it_is_printed() {
    let key = key(&["-t", "ed25519", "-N", ""]);
    let all = [
        Credentials::token(Some("me"), CANARY).expect("a token"),
        Credentials::ssh_key(&key, None).expect("a key"),
    ];
    let printed = format!("{all:?} {all:#?}");
    assert!(printed.contains("****"), "{printed}");
    let inside = key.lines().nth(2).expect("three lines");
    assert!(
        !printed.contains(CANARY) && !printed.contains(inside),
        "{printed}"
    );
}

/// A key that ssh-keygen makes.
fn key(args: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("key");
    let output = Command::new("ssh-keygen")
        .args(["-q", "-C", "test", "-f"])
        .arg(&path)
        .args(args)
        .output();
    let output = output.expect("ssh-keygen starts");
    assert!(output.status.success(), "{output:?}");
    std::fs::read_to_string(path).expect("a key")
}

#[test]
fn keys_of_every_kind_and_mended_ones() {
    for args in [
        &["-t", "ed25519", "-N", ""][..],
        &["-t", "rsa", "-b", "2048", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"],
        &["-t", "ecdsa", "-N", "", "-m", "PKCS8"],
    ] {
        let key = key(args);
        let parsed = Credentials::ssh_key(&key, None);
        let expected = Credentials::SshKey {
            private_key: PrivateKey::parse(&key).expect("a key"),
            known_hosts: None,
        };
        assert_eq!(parsed, Ok(expected), "{args:?}");
        assert_eq!(PrivateKey::parse(&key).expect("a key").reveal(), key);
        for mended in [
            key.replace('\n', "\r\n"),
            key.trim_end().to_owned(),
            format!("\u{feff}\n  {key}\n\n"),
            key.replace('\n', "\\n"),
            key.replace('\n', "\r"),
            key.replace('\n', " \n  "),
        ] {
            assert_eq!(Credentials::ssh_key(&mended, None), parsed, "{mended:?}");
        }
    }
}

#[test]
fn what_is_no_usable_key() {
    let public = {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        std::fs::write(&path, key(&["-t", "ed25519", "-N", ""])).expect("written");
        let output = Command::new("chmod").arg("600").arg(&path).status();
        assert!(output.expect("chmod starts").success());
        let output = Command::new("ssh-keygen")
            .args(["-y", "-f"])
            .arg(&path)
            .output();
        String::from_utf8(output.expect("ssh-keygen starts").stdout).expect("text")
    };
    for (text, fault) in [
        (String::new(), InvalidCredential::NoPrivateKey),
        (CANARY.to_owned(), InvalidCredential::NoPrivateKey),
        (public, InvalidCredential::PublicKey),
        (
            "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----".to_owned(),
            InvalidCredential::PublicKey,
        ),
        (
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none".to_owned(),
            InvalidCredential::Putty,
        ),
        (
            key(&["-t", "ed25519", "-N", "passphrase"]),
            InvalidCredential::Passphrase,
        ),
        (
            key(&["-t", "rsa", "-b", "2048", "-N", "passphrase", "-m", "PEM"]),
            InvalidCredential::Passphrase,
        ),
        (
            key(&["-t", "ecdsa", "-N", "passphrase", "-m", "PKCS8"]),
            InvalidCredential::Passphrase,
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
                .to_owned(),
            InvalidCredential::NoPrivateKey,
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA".to_owned(),
            InvalidCredential::NoPrivateKey,
        ),
    ] {
        assert_eq!(Credentials::ssh_key(&text, None), Err(fault), "{text}");
        assert!(!fault.to_string().contains(CANARY));
    }
}

#[test]
fn known_hosts_are_lines_of_three_fields() {
    let key = key(&["-t", "ed25519", "-N", ""]);
    let with = |hosts| match Credentials::ssh_key(&key, Some(hosts))? {
        Credentials::SshKey { known_hosts, .. } => Ok(known_hosts.expect("given").0),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        with("# a host\r\n[git.example.com]:2222 ssh-ed25519 AAAA\r\n@revoked * ssh-rsa AAAA"),
        Ok(
            "# a host\n[git.example.com]:2222 ssh-ed25519 AAAA\n@revoked * ssh-rsa AAAA\n"
                .to_owned()
        )
    );
    assert_eq!(with("\n# none\n"), Err(InvalidCredential::NoKnownHosts));
    for (text, line) in [
        ("ssh-ed25519 AAAA", 1),
        ("git.example.com ssh-ed25519 AAAA\n@revoked * AAAA", 2),
    ] {
        assert_eq!(with(text), Err(InvalidCredential::KnownHosts { line }));
    }
}

fn url(text: &str) -> RepoUrl {
    RepoUrl::parse(text).expect("a good address")
}

#[test]
fn a_token_goes_to_one_host_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let git = Git::isolated("git", "".as_ref(), dir.path()).expect("git is made");
    let given = |credentials: &Credentials, text: &str| match credentials.access(&git, &url(text)) {
        Ok(Access::Token {
            setting, username, ..
        }) => {
            let place = setting.split(".helper=").next().expect("one").to_owned();
            Ok((place, username.unwrap_or_default()))
        }
        Ok(Access::Nothing) => Ok((String::new(), String::new())),
        Ok(Access::Ssh { .. }) => panic!("ssh"),
        Err(fault) => Err(fault.to_string()),
    };
    let plain = Credentials::token(None, CANARY).expect("a token");
    let named = Credentials::token(Some("ada"), CANARY).expect("a token");
    let bitbucket = Credentials::token(None, "ATATTxyz").expect("a token");
    for (credentials, text, place, username) in [
        (
            &plain,
            "https://git.example.com/a",
            "credential.https://git.example.com",
            "x-access-token",
        ),
        (
            &plain,
            "https://Git.example.com:8443/a",
            "credential.https://git.example.com:8443",
            "x-access-token",
        ),
        (
            &plain,
            "https://bob@git.example.com/a",
            "credential.https://git.example.com",
            "",
        ),
        (
            &named,
            "https://bob@git.example.com/a",
            "credential.https://git.example.com",
            "ada",
        ),
        (
            &plain,
            "https://bitbucket.org/a/b",
            "credential.https://bitbucket.org",
            "x-token-auth",
        ),
        (
            &bitbucket,
            "https://bitbucket.org/a/b",
            "credential.https://bitbucket.org",
            "x-bitbucket-api-token-auth",
        ),
        (
            &plain,
            "http://127.0.0.1:80/a",
            "credential.http://127.0.0.1:80",
            "x-access-token",
        ),
        (
            &plain,
            "http://[::1]/a",
            "credential.http://[::1]",
            "x-access-token",
        ),
        (
            &plain,
            "http://localhost/a",
            "credential.http://localhost",
            "x-access-token",
        ),
        (&plain, "/srv/a", "", ""),
    ] {
        let expected = (place.to_owned(), username.to_owned());
        assert_eq!(given(credentials, text), Ok(expected), "{text}");
    }
    for text in [
        "http://git.example.com/a",
        "http://127.0.0.1.example/a",
        "http://10.0.0.1/a",
    ] {
        let fault = given(&plain, text).expect_err(text);
        assert_eq!(fault, "a token is sent over https only");
    }
    for text in [
        "git@git.example.com:a",
        "ssh://git.example.com/a",
        "git://git.example.com/a",
    ] {
        let fault = given(&plain, text).expect_err(text);
        assert_eq!(fault, "a token is for https, and an ssh key for ssh");
    }
}

#[test]
fn a_key_is_on_disk_for_the_call_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let git = Git::isolated("git", "".as_ref(), dir.path()).expect("git is made");
    let keys = dir.path().join("keys");
    let held = || -> Vec<_> {
        let entries = std::fs::read_dir(&keys).expect("a folder");
        let path = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").path();
        entries.map(path).collect()
    };
    let hosts = Some("git.example.com ssh-ed25519 AAAA");
    let key = key(&["-t", "ed25519", "-N", ""]);
    let credentials = Credentials::ssh_key(&key, hosts).expect("a key");
    let access = credentials
        .access(&git, &url("git@git.example.com:a"))
        .expect("usable");
    assert_eq!(held().len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| {
            let meta = path.metadata().expect("there");
            meta.permissions().mode() & 0o777
        };
        assert_eq!(mode(&keys), 0o700);
        for path in held() {
            assert_eq!(mode(&path), 0o600);
        }
    }
    // Another start in the same folder leaves what is in use, and removes what a killed process left.
    let left = keys.join("left");
    std::fs::write(&left, &key).expect("written");
    Git::isolated("git", "".as_ref(), dir.path()).expect("git is made");
    assert_eq!(held().len(), 2);
    assert!(!left.exists());
    drop(access);
    assert_eq!(held().len(), 0);
}
