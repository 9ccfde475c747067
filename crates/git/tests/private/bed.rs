//! A repository that servers give out, and a git that reads it.

use outwork_git::{CommitId, CommitRef, Credentials, Git, Mirror, RefSpec, RepoUrl, ResolveError};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Bed {
    dir: tempfile::TempDir,
    pub git: Git,
    pub head: CommitId,
}

impl Bed {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = std::env::var_os("PATH").expect("PATH is set");
        // The space is for ssh, which reads paths in its own way.
        let git = Git::isolated("git", &path, &dir.path().join("pri vate")).expect("git is made");
        let upstream = dir.path().join("served/team/repo.git");
        std::fs::create_dir_all(&upstream).expect("a folder");
        run(&upstream, &["init", "-q", "--bare", "-b", "main"]);
        run(&upstream, &["commit-tree", "-m", "first", EMPTY_TREE]);
        let head = run(&upstream, &["commit-tree", "-m", "second", EMPTY_TREE]);
        run(&upstream, &["update-ref", "refs/heads/main", head.trim()]);
        Self {
            git,
            head: CommitId::parse(head.trim()).expect("a commit"),
            dir,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is given out; the repository in it is `team/repo.git`.
    pub fn served(&self) -> PathBuf {
        self.path("served")
    }

    pub fn keys(&self) -> PathBuf {
        self.path("pri vate/keys")
    }

    /// Finds the default branch, copies the repository, and brings the copy up to date.
    pub async fn read(&self, url: &RepoUrl, credentials: &Credentials) -> Result<(), ResolveError> {
        let spec = RefSpec::DefaultBranch;
        let found = self.git.resolve(url, &spec, credentials.clone()).await?;
        assert_eq!(found.commit, CommitRef::Full(self.head.clone()));
        let root = self.path("mirrors");
        let mirror = Mirror::new(self.git.clone(), &root, url.clone(), credentials.clone());
        let id = mirror.ensure_commit(&found.commit).await.expect("copied");
        assert_eq!(id, self.head);
        let upstream = self.served().join("team/repo.git");
        let next = run(
            &upstream,
            &[
                "commit-tree",
                "-p",
                self.head.as_str(),
                "-m",
                "third",
                EMPTY_TREE,
            ],
        );
        run(&upstream, &["update-ref", "refs/heads/next", next.trim()]);
        let next = CommitRef::parse(next.trim()).expect("a commit");
        mirror.ensure_commit(&next).await.expect("fetched");
        Ok(())
    }

    /// The files below the bed's own folders that hold `text`, those that are served left out.
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut pending = vec![self.path("mirrors"), self.path("pri vate")];
        while let Some(folder) = pending.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    pending.push(path);
                } else if holds(&path, text) {
                    found.push(path);
                }
            }
        }
        found
    }
}

const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

pub fn holds(path: &Path, text: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// The command lines of all processes that hold `text`.
pub fn command_lines_with(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("/proc is there");
    processes
        .map(|entry| entry.expect("an entry").path().join("cmdline"))
        .filter(|path| holds(path, text))
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned())
        .collect()
}

fn run(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Ada")
            .env(format!("GIT_{who}_EMAIL"), "ada@example.com");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    if args[0] == "commit-tree" {
        // The empty tree need not be there for git to name it, but for others to fetch it.
        let made = Command::new("git")
            .current_dir(dir)
            .args(["hash-object", "-w", "-t", "tree", "/dev/null"])
            .output();
        assert!(made.expect("git starts").status.success());
    }
    let output = command.args(args).output().expect("git starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}
