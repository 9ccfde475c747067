//! Tokens.

use crate::bed::Bed;
use crate::http_server::{ASK, Answer, Server, TOKEN};
use outwork_git::{Asked, Credentials, Denied, GitError, RefSpec, RepoUrl, ResolveError};

const LOGIN: &str = "x-access-token:canary-9b3f21e07c55";

fn token() -> Credentials {
    Credentials::token(None, TOKEN).expect("a token")
}

fn url(text: &str) -> RepoUrl {
    RepoUrl::parse(text).expect("a good address")
}

async fn refused(bed: &Bed, address: &str, credentials: Credentials) -> ResolveError {
    let url = url(address);
    let found = bed
        .git
        .resolve(&url, &RefSpec::DefaultBranch, credentials)
        .await;
    found.expect_err("refused")
}

fn denied(fault: &ResolveError) -> &Denied {
    match fault {
        ResolveError::Unreadable { denied, .. } => denied,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_private_repository_is_read() {
    let bed = Bed::new();
    let server = Server::with_login(bed.served(), LOGIN).await;
    bed.read(&url(&server.url()), &token()).await.expect("read");
    // The server asks before it is told.
    let seen = server.seen();
    assert_eq!(seen[0].login, None);
    assert_eq!(server.logins(), [None, Some(LOGIN.to_owned())]);
    for seen in seen {
        assert_eq!(seen.leaks, Vec::<String>::new(), "{}", seen.target);
        assert!(!seen.target.contains(TOKEN));
    }
    assert_eq!(bed.files_with(TOKEN), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn user_names_of_the_credential_and_of_the_address() {
    let bed = Bed::new();
    let named = Credentials::token(Some("ad a@corp"), TOKEN).expect("a token");
    for (login, credentials, user) in [
        ("ad a@corp:canary-9b3f21e07c55", &named, ""),
        ("ad a@corp:canary-9b3f21e07c55", &named, "bob@"),
        ("b ob:canary-9b3f21e07c55", &token(), "b%20ob@"),
    ] {
        let server = Server::with_login(bed.served(), login).await;
        let address = server.url().replace("http://", &format!("http://{user}"));
        bed.git
            .resolve(&url(&address), &RefSpec::DefaultBranch, credentials.clone())
            .await
            .expect(login);
        let mut logins = server.logins();
        // A client that knows a user name tries it without a password first.
        logins.retain(|login| !login.as_ref().is_some_and(|login| login.ends_with(':')));
        assert_eq!(logins, [None, Some(login.to_owned())]);
    }
}

/// Characters that a shell, or git's own protocol, would read in another way.
#[tokio::test]
async fn a_token_of_odd_characters() {
    const ODD: &str = r#"a'b"c$d`e%s\n f=g;h&i"#;
    let bed = Bed::new();
    let server = Server::with_login(bed.served(), r#"x-access-token:a'b"c$d`e%s\n f=g;h&i"#).await;
    let credentials = Credentials::token(None, ODD).expect("a token");
    bed.read(&url(&server.url()), &credentials)
        .await
        .expect("read");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let bed = Bed::new();
    let server = Server::with_login(bed.served(), "other:token").await;
    let host = format!("127.0.0.1:{}", server.port);
    let fault = refused(&bed, &server.url(), token()).await;
    assert_eq!(
        fault.to_string(),
        format!(
            "the repository {} may not be read; the server refuses the stored credential for {host}, or it may not read this repository; \
             store another: `outwork credential set {host} --token-file FILE`",
            server.url()
        )
    );
    let fault = refused(&bed, &server.url(), Credentials::None).await;
    assert_eq!(
        fault.to_string(),
        format!(
            "the repository {} may not be read; it does not exist or needs a credential: `outwork credential set {host} --token-file FILE`",
            server.url()
        )
    );
    for status in ["403 Forbidden", "404 Not Found"] {
        let server = Server::start(bed.served(), move |request| match request.login {
            Some(_) => Answer::Plain(status.to_owned()),
            None => Answer::Plain(ASK.to_owned()),
        })
        .await;
        let fault = refused(&bed, &server.url(), token()).await;
        let host = format!("127.0.0.1:{}", server.port);
        match (&fault, status) {
            (ResolveError::Unreadable { denied, .. }, "403 Forbidden") => {
                assert!(matches!(**denied, Denied::Credential(_)), "{fault:?}");
            }
            (ResolveError::NotFound { asked, .. }, "404 Not Found") => {
                assert_eq!(**asked, Asked::WithCredential { host });
            }
            (other, _) => panic!("{status}: {other:?}"),
        }
        assert!(
            fault
                .to_string()
                .contains("the stored credential for 127.0.0.1"),
            "{fault}"
        );
    }
    let server = Server::start(bed.served(), |_| Answer::Plain("404 Not Found".into())).await;
    let fault = refused(&bed, &server.url(), Credentials::None).await;
    assert!(
        fault.to_string().ends_with(&format!(
            "check the address, or if it is private store a credential: `outwork credential set 127.0.0.1:{} --token-file FILE`",
            server.port
        )),
        "{fault}"
    );
}

/// To another port and to another name of this machine, before and after the server was told the token.
#[tokio::test]
async fn a_redirect_to_another_host_does_not_take_the_token_along() {
    for told_first in [false, true] {
        for name in ["127.0.0.1", "localhost"] {
            let bed = Bed::new();
            let other = Server::start(bed.served(), |_| Answer::Plain(ASK.to_owned())).await;
            let to = format!("{name}:{}", other.port);
            let location = to.clone();
            let server = Server::start(bed.served(), move |request| {
                if told_first && request.login.is_none() {
                    return Answer::Plain(ASK.to_owned());
                }
                let target = &request.target;
                Answer::Plain(format!("302 Found\r\nLocation: http://{location}{target}"))
            })
            .await;
            let fault = refused(&bed, &server.url(), token()).await;
            let expected = Denied::Redirected {
                host: format!("127.0.0.1:{}", server.port),
                to,
            };
            assert_eq!(other.logins(), [None], "{told_first} {name}");
            // Git does not say that it was sent on once it has a password.
            match told_first {
                false => assert_eq!(denied(&fault), &expected, "{fault:?}"),
                true => assert!(matches!(denied(&fault), Denied::Credential(_)), "{fault:?}"),
            }
            assert!(!other.seen().is_empty());
        }
    }
}

/// A server that sends what follows elsewhere.
#[tokio::test]
async fn a_redirect_in_the_middle_is_not_followed() {
    let bed = Bed::new();
    let other = Server::start(bed.served(), |_| Answer::Git).await;
    let port = other.port;
    let server = Server::start(bed.served(), move |request| {
        match (request.login.is_some(), request.method.as_str()) {
            (false, _) => Answer::Plain(ASK.to_owned()),
            (true, "GET") => Answer::Git,
            (true, _) => {
                let target = &request.target;
                Answer::Plain(format!(
                    "307 Temporary Redirect\r\nLocation: http://127.0.0.1:{port}{target}"
                ))
            }
        }
    })
    .await;
    refused(&bed, &server.url(), token()).await;
    assert_eq!(other.seen().len(), 0);
}

/// As GitLab and GitHub do for other spellings and renamed repositories.
#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let bed = Bed::new();
    let server = Server::start(bed.served(), |request| {
        if let Some(rest) = request.target.strip_prefix("/team/old") {
            return Answer::Plain(format!("301 Moved\r\nLocation: /team/repo.git{rest}"));
        }
        match request.login.as_deref() {
            Some(LOGIN) => Answer::Git,
            Some(_) | None => Answer::Plain(ASK.to_owned()),
        }
    })
    .await;
    let old = server.url().replace("repo.git", "old");
    bed.read(&url(&old), &token()).await.expect("read");
}

#[tokio::test]
async fn a_server_that_repeats_what_it_was_told() {
    let bed = Bed::new();
    let server = Server::start(bed.served(), |request| match &request.login {
        None => Answer::Plain(ASK.to_owned()),
        Some(login) => Answer::Text("403 Forbidden", format!("not for {login}")),
    })
    .await;
    let fault = refused(&bed, &server.url(), token()).await;
    let ResolveError::Unreadable {
        source: Some(GitError::Failed { stderr, .. }),
        ..
    } = &fault
    else {
        panic!("{fault:?}")
    };
    assert!(stderr.contains("not for x-access-token:****"), "{stderr}");
    assert!(!format!("{fault:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_token_is_not_sent_in_plain_over_a_network() {
    let bed = Bed::new();
    // Refused before anything is asked: no such host is looked up.
    let fault = refused(&bed, "http://git.example.com/team/repo.git", token()).await;
    assert_eq!(
        fault.to_string(),
        "the repository http://git.example.com/team/repo.git may not be read; a token is sent over https only; use an address that fits the credential"
    );
}
