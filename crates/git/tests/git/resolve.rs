use crate::fixture::{World, git_in, put};
use outwork_git::{CommitRef, Credentials, RefName, RefSpec, RepoUrl, ResolveError, Resolved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn resolve(world: &World, url: &RepoUrl, spec: RefSpec) -> Result<Resolved, ResolveError> {
    world.git.resolve(url, &spec, Credentials::None).await
}

fn branch(name: &str) -> RefName {
    RefName::parse(name).expect("a good name")
}

#[tokio::test]
async fn default_branch_named_branch_and_commit() {
    let world = World::with_files(&[("a", "1")]);
    let first = world.head();
    git_in(&world.upstream(), &["branch", "feature/x"]);
    put(&world.upstream(), "a", "2");
    let second = world.commit("second");
    let url = world.url();
    let found = resolve(&world, &url, RefSpec::DefaultBranch)
        .await
        .expect("found");
    assert_eq!(
        found,
        Resolved {
            commit: CommitRef::Full(second),
            branch: Some(branch("main"))
        }
    );
    let found = resolve(&world, &url, RefSpec::Branch(branch("feature/x")))
        .await
        .expect("found");
    assert_eq!(
        found,
        Resolved {
            commit: CommitRef::Full(first.clone()),
            branch: Some(branch("feature/x"))
        }
    );
    let short = CommitRef::parse(&first.as_str()[..8]).expect("short");
    let found = resolve(&world, &url, RefSpec::Commit(short.clone()))
        .await
        .expect("found");
    assert_eq!(
        found,
        Resolved {
            commit: short,
            branch: None
        }
    );
    // A folder as a file address, and a detached HEAD.
    let file =
        RepoUrl::parse(&format!("file://{}", world.upstream().display())).expect("a good address");
    git_in(
        &world.upstream(),
        &["checkout", "-q", "--detach", first.as_str()],
    );
    let found = resolve(&world, &file, RefSpec::DefaultBranch)
        .await
        .expect("found");
    assert_eq!(
        found,
        Resolved {
            commit: CommitRef::Full(first),
            branch: None
        }
    );
}

#[tokio::test]
async fn a_missing_branch_names_the_nearest() {
    let world = World::with_files(&[("a", "1")]);
    for name in [
        "mian",
        "release/1",
        "release/2",
        "zeta",
        "eta",
        "theta",
        "sub/refs/heads/gone",
    ] {
        git_in(&world.upstream(), &["branch", name]);
    }
    let fault = resolve(&world, &world.url(), RefSpec::Branch(branch("maim")))
        .await
        .expect_err("missing");
    let ResolveError::BranchMissing { existing, .. } = &fault else {
        panic!("{fault:?}")
    };
    assert_eq!(existing.len(), 5);
    assert_eq!(existing[0], "main");
    assert!(
        fault
            .to_string()
            .contains("has no branch maim; it has main, "),
        "{fault}"
    );
    // git lists sub/refs/heads/gone too when asked for refs/heads/gone
    let fault = resolve(&world, &world.url(), RefSpec::Branch(branch("gone")))
        .await
        .expect_err("missing");
    assert!(
        matches!(fault, ResolveError::BranchMissing { .. }),
        "{fault:?}"
    );
}

#[tokio::test]
async fn empty_and_headless_repositories() {
    let world = World::new();
    for spec in [RefSpec::DefaultBranch, RefSpec::Branch(branch("main"))] {
        let fault = resolve(&world, &world.url(), spec)
            .await
            .expect_err("empty");
        assert!(matches!(fault, ResolveError::Empty { .. }), "{fault:?}");
    }
    put(&world.upstream(), "a", "1");
    world.commit("first");
    git_in(&world.upstream(), &["branch", "other"]);
    git_in(
        &world.upstream(),
        &["symbolic-ref", "HEAD", "refs/heads/none"],
    );
    let fault = resolve(&world, &world.url(), RefSpec::DefaultBranch)
        .await
        .expect_err("no default");
    assert!(
        matches!(&fault, ResolveError::NoDefaultBranch { existing, .. } if existing == &["main", "other"]),
        "{fault:?}"
    );
}

#[tokio::test]
async fn places_without_a_repository() {
    let world = World::new();
    for path in ["missing", "private"] {
        let url =
            RepoUrl::parse(world.path(path).to_str().expect("UTF-8")).expect("a good address");
        let fault = resolve(&world, &url, RefSpec::DefaultBranch)
            .await
            .expect_err("nothing there");
        assert!(matches!(fault, ResolveError::NotFound { .. }), "{fault:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    for scheme in ["http", "git"] {
        let url =
            RepoUrl::parse(&format!("{scheme}://127.0.0.1:{port}/x")).expect("a good address");
        let fault = resolve(&world, &url, RefSpec::DefaultBranch)
            .await
            .expect_err("closed");
        assert!(
            matches!(fault, ResolveError::Unreachable { .. }),
            "{fault:?}"
        );
    }
}

/// Answers each request with the same status.
async fn server(status: &'static str) -> RepoUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        .as_bytes(),
                )
                .await;
        }
    });
    RepoUrl::parse(&format!("http://127.0.0.1:{port}/a/b")).expect("a good address")
}

#[tokio::test]
async fn refusals_of_a_server() {
    let world = World::new();
    for (status, unreadable) in [
        ("404 Not Found", false),
        (
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"",
            true,
        ),
        ("403 Forbidden", true),
    ] {
        let fault = resolve(&world, &server(status).await, RefSpec::DefaultBranch)
            .await
            .expect_err("refused");
        let right = if unreadable {
            matches!(fault, ResolveError::Unreadable { .. })
        } else {
            matches!(fault, ResolveError::NotFound { .. })
        };
        assert!(right, "{status}: {fault:?}");
    }
}

#[tokio::test]
async fn a_server_cannot_send_git_to_another_protocol() {
    let world = World::with_files(&[("a", "1")]);
    let url = server(Box::leak(
        format!(
            "302 Found\r\nLocation: file://{}/info/refs",
            world.upstream().display()
        )
        .into_boxed_str(),
    ))
    .await;
    let fault = resolve(&world, &url, RefSpec::DefaultBranch)
        .await
        .expect_err("refused");
    assert!(
        !matches!(
            fault,
            ResolveError::BranchMissing { .. } | ResolveError::Empty { .. }
        ),
        "{fault:?}"
    );
}
