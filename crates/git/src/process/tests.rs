use super::*;
use std::time::Instant;

fn git(dir: &Path) -> Git {
    let path = std::env::var_os("PATH").expect("PATH is set");
    Git::isolated("git", &path, &dir.join("private")).expect("git is made")
}

/// An alias that is a program: the only way to make git start a child that waits, without a network.
fn waiting<'a>(git: &'a Git, pid_file: &Path) -> Call<'a> {
    let alias = format!(
        "alias.wait=!echo $$ > {0}.new && mv {0}.new {0} && exec sleep 600",
        pid_file.display()
    );
    git.call("wait").arg("-c").arg(alias).arg("wait")
}

async fn appears(file: &Path) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            return text.trim().parse().expect("a pid");
        }
        assert!(
            Instant::now() < deadline,
            "{} did not appear",
            file.display()
        );
        tokio::task::yield_now().await;
    }
}

async fn ends(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = PathBuf::from(format!("/proc/{pid}/stat"));
    loop {
        // A zombie that nobody has reaped yet is dead as well.
        match std::fs::read_to_string(&status) {
            Err(_) => return,
            Ok(text) if text.contains(") Z ") => return,
            Ok(text) => assert!(Instant::now() < deadline, "still running: {text}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_killed_with_its_children() {
    let dir = tempfile::tempdir().expect("a folder");
    let (git, pid_file) = (git(dir.path()), dir.path().join("pid"));
    let call = waiting(&git, &pid_file).limit(Duration::from_millis(1500));
    let (answer, pid) = tokio::join!(call.output(), appears(&pid_file));
    assert!(matches!(
        answer,
        Err(GitError::TimedOut { limit_ms: 1500, .. })
    ));
    ends(pid).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_is_killed_with_its_children() {
    let dir = tempfile::tempdir().expect("a folder");
    let (git, pid_file) = (git(dir.path()), dir.path().join("pid"));
    let pid = tokio::select! {
        _ = waiting(&git, &pid_file).output() => panic!("the call cannot end"),
        pid = appears(&pid_file) => pid,
    };
    ends(pid).await;
}

#[tokio::test]
async fn the_environment_is_ours_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let git = git(dir.path()).with_network_environment([
        (
            OsString::from("HTTPS_PROXY"),
            OsString::from("http://127.0.0.1:1"),
        ),
        (OsString::from("GIT_SSH_COMMAND"), OsString::from("evil")),
        (OsString::from("GIT_DIR"), OsString::from("/evil")),
    ]);
    let output = git
        .call("print")
        .args(["-c", "alias.env=!env", "env"])
        .success()
        .await
        .expect("env runs");
    let text = output.text();
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    // Those that git and the shell add are left out.
    names.retain(|name| {
        !matches!(
            *name,
            "_" | "PWD"
                | "OLDPWD"
                | "SHLVL"
                | "GIT_CONFIG_PARAMETERS"
                | "GIT_EXEC_PATH"
                | "GIT_PREFIX"
        )
    });
    let expected = [
        "GIT_ALLOW_PROTOCOL",
        "GIT_ASKPASS",
        "GIT_ATTR_NOSYSTEM",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_EDITOR",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OPTIONAL_LOCKS",
        "GIT_PAGER",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_TERMINAL_PROMPT",
        "HOME",
        "HTTPS_PROXY",
        "LC_ALL",
        "PATH",
        "SSH_ASKPASS",
    ];
    assert_eq!(names, expected);
    assert!(!text.contains("evil"), "{text}");
}

#[tokio::test]
async fn output_beyond_the_limit_is_an_error_not_a_part() {
    let dir = tempfile::tempdir().expect("a folder");
    let git = git(dir.path());
    let answer = git
        .call("shout")
        .args(["-c", "alias.shout=!yes", "shout"])
        .stdout_limit(1000)
        .limit(Duration::from_secs(20))
        .output()
        .await;
    assert!(matches!(
        answer,
        Err(GitError::OutputTooLarge {
            limit_bytes: 1000,
            ..
        })
    ));
}

#[tokio::test]
async fn a_missing_program_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = std::env::var_os("PATH").expect("PATH is set");
    let git = Git::isolated("/nonexistent/git", &path, dir.path()).expect("git is made");
    let fault = git.version().await.expect_err("there is no such program");
    assert_eq!(
        fault.to_string(),
        "git cannot be started from /nonexistent/git; install git 2.39 or newer, or name its path"
    );
}
