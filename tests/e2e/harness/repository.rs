//! Repositories that tasks are about.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{open_scratch, scratch};

/// A real repository, made for the test.
pub struct Repository {
    pub dir: TempDir,
}

impl Repository {
    /// One commit on `main` with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self {
            dir: open_scratch(),
        };
        repository.git(&["init", "-q", "-b", "main"]);
        repository.commit("start", files);
        repository
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What its checkout is called.
    pub fn name(&self) -> &str {
        let name = self.path().file_name().and_then(|name| name.to_str());
        name.expect("plain text")
    }

    pub fn url(&self) -> String {
        self.path().display().to_string()
    }

    /// Writes the files and commits everything.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Runs git here and gives what it printed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let (code, text) = self.try_git(arguments);
        assert_eq!(code, 0, "git {arguments:?}: {text}");
        text
    }

    pub fn try_git(&self, arguments: &[&str]) -> (i32, String) {
        let output = git(self.path()).args(arguments).output().expect("git runs");
        let text = [output.stdout, output.stderr].concat();
        let code = output.status.code().expect("git was not killed");
        (code, String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    /// A clone as the person has it.
    pub fn clone_here(&self) -> Self {
        let clone = Self { dir: scratch() };
        clone.git(&["clone", "-q", &self.url(), "."]);
        clone
    }
}

/// Git, with a person and without this machine's configuration.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Test")
            .env(format!("GIT_{who}_EMAIL"), "test@example.invalid")
            .env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    command
}
