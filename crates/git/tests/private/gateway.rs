//! A repository that is read through a gateway: another address, another token, the same mirror.

use crate::bed::{Bed, holds};
use crate::http_server::{ASK, Answer, Server, TOKEN};
use outwork_git::{
    CommitRef, Credentials, Denied, Git, Mirror, MirrorError, RefSpec, RepoUrl, ResolveError,
    Trouble,
};
use std::path::PathBuf;

/// Nobody resolves this name: whoever asked it would fail.
const OWN: &str = "https://git.invalid/team/repo.git";
const LOGIN: &str = "lease:canary-9b3f21e07c55";

fn url() -> RepoUrl {
    RepoUrl::parse(OWN).expect("a good address")
}

fn gateway(server: &Server) -> Credentials {
    Credentials::gateway(&server.url(), TOKEN).expect("a gateway")
}

#[tokio::test]
async fn the_mirror_is_the_repositorys_own() {
    let bed = Bed::new();
    let server = Server::with_login(bed.served(), LOGIN).await;
    bed.read(&url(), &gateway(&server)).await.expect("read");
    for seen in server.seen() {
        assert_eq!(seen.leaks, Vec::<String>::new(), "{}", seen.target);
    }
    assert_eq!(bed.files_with(TOKEN), Vec::<PathBuf>::new());
    let port = format!(":{}/", server.port);
    assert_eq!(bed.files_with(&port), Vec::<PathBuf>::new());
    // One that is read without a gateway has the same place, and the same address in it.
    let mirror = Mirror::new(
        bed.git.clone(),
        &bed.path("mirrors"),
        url(),
        Credentials::None,
    );
    assert!(holds(&mirror.git_dir().join("config"), OWN));
    let head = CommitRef::Full(bed.head.clone());
    assert_eq!(mirror.ensure_commit(&head).await.expect("here"), bed.head);
}

/// A machine that reaches the world through a proxy reaches itself without.
#[tokio::test]
async fn a_gateway_on_this_machine_is_not_looked_for_behind_a_proxy() {
    let bed = Bed::new();
    let server = Server::with_login(bed.served(), LOGIN).await;
    let path = std::env::var_os("PATH").expect("PATH is set");
    let git = Git::isolated("git", &path, &bed.path("proxied")).expect("git is made");
    let proxies = ["http_proxy", "https_proxy", "all_proxy"];
    let git = git.with_network_environment(
        proxies.map(|name| (name.into(), "http://127.0.0.1:9".to_owned().into())),
    );
    let found = git
        .resolve(&url(), &RefSpec::DefaultBranch, gateway(&server))
        .await;
    assert_eq!(
        found.expect("found").commit,
        CommitRef::Full(bed.head.clone())
    );
}

async fn refused(answer: impl Fn() -> Answer + Send + Sync + 'static) -> ResolveError {
    let bed = Bed::new();
    let server = Server::start(bed.served(), move |request| match request.login {
        Some(_) => answer(),
        None => Answer::Plain(ASK.to_owned()),
    })
    .await;
    let mirror = Mirror::new(
        bed.git.clone(),
        &bed.path("mirrors"),
        url(),
        gateway(&server),
    );
    let head = CommitRef::Full(bed.head.clone());
    match mirror.ensure_commit(&head).await.expect_err("refused") {
        MirrorError::Remote(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_gateway_says_is_told_about_the_repository() {
    let fault = refused(|| Answer::Text("502 Bad Gateway", Trouble::Denied.line())).await;
    assert_eq!(
        fault.to_string(),
        format!(
            "the repository {OWN} may not be read; the server refuses the stored credential for git.invalid, or it may not read this \
             repository; store another: `outwork credential set git.invalid --token-file FILE`"
        )
    );
    let redirected = Trouble::Redirected {
        to: "other.invalid".to_owned(),
    };
    let fault = refused(move || Answer::Text("502 Bad Gateway", redirected.line())).await;
    let expected = Denied::Redirected {
        host: "git.invalid".to_owned(),
        to: "other.invalid".to_owned(),
    };
    assert!(
        matches!(&fault, ResolveError::Unreadable { denied, .. } if **denied == expected),
        "{fault:?}"
    );
    let failing = Trouble::Failing { status: 503 };
    let fault = refused(move || Answer::Text("502 Bad Gateway", failing.line())).await;
    assert!(fault.to_string().contains("(HTTP 503)"), "{fault}");
    for (status, text) in [
        ("403 Forbidden", Trouble::NotHeld.line()),
        ("503 Service Unavailable", String::new()),
    ] {
        let fault = refused(move || Answer::Text(status, text.clone())).await;
        assert!(matches!(fault, ResolveError::Gateway { .. }), "{fault:?}");
    }
    let fault = refused(|| Answer::Plain(ASK.to_owned())).await;
    assert!(matches!(fault, ResolveError::Gateway { .. }), "{fault:?}");
}

/// It would carry the token to wherever it leads.
#[tokio::test]
async fn a_gateway_that_redirects_is_not_followed() {
    let bed = Bed::new();
    let other = Server::start(bed.served(), |_| Answer::Git).await;
    let to = other.url();
    refused(move || Answer::Plain(format!("302 Found\r\nLocation: {to}/info/refs"))).await;
    assert_eq!(other.seen().len(), 0);
}
