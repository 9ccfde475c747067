//! Keys.

use crate::bed::Bed;
use crate::ssh_server::Server;
use outwork_git::{Asked, Credentials, Denied, RefSpec, RepoUrl, ResolveError};

fn key(text: &str, known_hosts: Option<&str>) -> Credentials {
    Credentials::ssh_key(text, known_hosts).expect("a key")
}

async fn served(bed: &Bed) -> (Server, RepoUrl) {
    let server = Server::start(&bed.keys()).await;
    let address = server.url(&bed.served().join("team/repo.git"));
    (server, RepoUrl::parse(&address).expect("a good address"))
}

async fn refused(bed: &Bed, url: &RepoUrl, credentials: Credentials) -> ResolveError {
    let found = bed
        .git
        .resolve(url, &RefSpec::DefaultBranch, credentials)
        .await;
    found.expect_err("refused")
}

fn denied(fault: &ResolveError) -> &Denied {
    match fault {
        ResolveError::Unreadable { denied, .. } => denied,
        other => panic!("{other:?}"),
    }
}

fn left(bed: &Bed) -> usize {
    std::fs::read_dir(bed.keys()).expect("a folder").count()
}

#[tokio::test]
async fn a_private_repository_is_read() {
    let bed = Bed::new();
    let (server, url) = served(&bed).await;
    let text = server.authorize();
    let credentials = key(&text, Some(&server.known_host()));
    bed.read(&url, &credentials).await.expect("read");
    // While git ran: the key and the known hosts, for their owner only. Afterwards: nothing.
    let seen = server.seen();
    let files: Vec<_> = seen
        .lines()
        .filter(|line| !line.starts_with("total"))
        .collect();
    assert!(
        files.len() >= 6 && files.iter().all(|line| line.starts_with("-rw------- 1 ")),
        "{seen}"
    );
    assert_eq!(left(&bed), 0);
    let inside = text.lines().nth(2).expect("a line");
    assert_eq!(bed.files_with(inside), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_key_that_lost_its_line_ends() {
    let bed = Bed::new();
    let (server, url) = served(&bed).await;
    let text = server.authorize();
    for mended in [
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
        text.replace('\n', "\\n"),
    ] {
        let credentials = key(&mended, Some(&server.known_host()));
        bed.git
            .resolve(&url, &RefSpec::DefaultBranch, credentials)
            .await
            .expect("read");
    }
}

#[tokio::test]
async fn the_first_key_seen_is_kept() {
    let bed = Bed::new();
    let (server, url) = served(&bed).await;
    let text = server.authorize();
    bed.read(&url, &key(&text, None)).await.expect("read");
    let kept = std::fs::read_to_string(bed.path("pri vate/known_hosts")).expect("a file");
    let public = server.known_host();
    let public = public.split(' ').nth(2).expect("a key");
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert!(kept.contains(public), "{kept}");
    server.change_host_key();
    let fault = refused(&bed, &url, key(&text, None)).await;
    let host = format!("127.0.0.1:{}", server.port);
    assert_eq!(denied(&fault), &Denied::HostKeyChanged { host });
    // The new one, given with the credential.
    let credentials = key(&text, Some(&server.known_host()));
    bed.git
        .resolve(&url, &RefSpec::DefaultBranch, credentials)
        .await
        .expect("read");
}

#[tokio::test]
async fn known_hosts_that_are_given_are_all_that_is_known() {
    let bed = Bed::new();
    let (server, url) = served(&bed).await;
    let text = server.authorize();
    let host = format!("127.0.0.1:{}", server.port);
    let other = server
        .known_host()
        .replace("[127.0.0.1]", "[git.example.com]");
    let fault = refused(&bed, &url, key(&text, Some(&other))).await;
    assert_eq!(
        denied(&fault),
        &Denied::HostKeyUnknown { host: host.clone() }
    );
    let before = server.known_host();
    server.change_host_key();
    let fault = refused(&bed, &url, key(&text, Some(&before))).await;
    assert_eq!(denied(&fault), &Denied::HostKeyChanged { host });
    assert!(!bed.path("pri vate/known_hosts").exists());
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let bed = Bed::new();
    let (server, url) = served(&bed).await;
    let text = server.authorize();
    let hosts = server.known_host();
    let host = format!("127.0.0.1:{}", server.port);
    let fault = refused(&bed, &url, key(&server.stranger(), Some(&hosts))).await;
    assert!(
        fault.to_string().ends_with(&format!(
            "the server refuses the stored credential for {host}, or it may not read this repository; store another: \
             `outwork credential set {host} --ssh-key-file FILE`"
        )),
        "{fault}"
    );
    let missing = server.url(&bed.served().join("team/missing.git"));
    let missing = RepoUrl::parse(&missing).expect("a good address");
    let fault = refused(&bed, &missing, key(&text, Some(&hosts))).await;
    let ResolveError::NotFound { asked, .. } = &fault else {
        panic!("{fault:?}")
    };
    assert_eq!(**asked, Asked::WithCredential { host });
    assert_eq!(left(&bed), 0);
}
