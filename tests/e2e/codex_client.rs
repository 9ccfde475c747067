//! The stock client as people use it with Outwork: `outwork login --codex`, `outwork codex`, and the launcher.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outwork_test_codex::{CLOUD, NEWEST, program};
use serde_json::Value;

use crate::harness::{Done, Engine, Outwork, Repository, git};

fn target() -> &'static Path {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("it lies in the target folder")
}

/// A person's machine with that version of the client in the path, signed in elsewhere.
struct Desk<'a> {
    outwork: &'a Outwork,
    home: PathBuf,
    /// In front of the client.
    shims: PathBuf,
    path: String,
}

const OWN_LOGIN: &str = r#"{"OPENAI_API_KEY":"sk-canary"}"#;

impl<'a> Desk<'a> {
    fn new(outwork: &'a Outwork, version: &str) -> Self {
        let home = outwork.dir.path().join(format!("desk-{version}"));
        let [own, programs, shims] = [".codex", "programs", "shims"].map(|name| home.join(name));
        for folder in [&own, &programs] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(own.join("auth.json"), OWN_LOGIN).expect("a login");
        symlink(program(target(), version), programs.join("codex")).expect("a link");
        let path = std::env::var_os("PATH").expect("there is a PATH");
        let path = format!(
            "{}:{}:{}",
            shims.display(),
            programs.display(),
            path.to_string_lossy()
        );
        Self {
            outwork,
            home,
            shims,
            path,
        }
    }

    /// `outwork` with those arguments.
    fn command(&self, arguments: &[&str], folder: &Path) -> Command {
        let mut command = self.outwork.command(arguments);
        self.seated(&mut command, folder);
        command.env("OPENAI_API_KEY", "sk-canary");
        command
    }

    fn seated(&self, command: &mut Command, folder: &Path) {
        command
            .env("HOME", &self.home)
            .env("PATH", &self.path)
            .env("OUTWORK_CONFIG_DIR", self.home.join("outwork"))
            // Nobody answers there: only the server is spoken to.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .current_dir(folder)
            .stdin(Stdio::null());
    }

    fn run(&self, arguments: &[&str], folder: &Path) -> Done {
        Done::of(self.command(arguments, folder).output())
    }

    /// `codex` as a shell finds it.
    fn codex(&self, arguments: &[&str], folder: &Path, more: &[(&str, &str)]) -> Done {
        let mut command = Command::new("sh");
        command
            .args(["-c", "codex \"$@\"", "codex"])
            .args(arguments);
        command.env_clear().envs(more.iter().copied());
        command.env("OUTWORK_URL", &self.outwork.url);
        command.env("OUTWORK_TOKEN", &self.outwork.token);
        self.seated(&mut command, folder);
        Done::of(command.output())
    }

    #[track_caller]
    fn own_login_is_untouched(&self) {
        let own = self.home.join(".codex");
        assert_eq!(
            fs::read_to_string(own.join("auth.json")).expect("a login"),
            OWN_LOGIN
        );
        let count = fs::read_dir(&own).expect("a folder").count();
        assert_eq!(count, 1, "nothing was put beside it");
    }
}

fn clone(repository: &Repository, outwork: &Outwork, name: &str) -> PathBuf {
    let clone = outwork.dir.path().join(name);
    let cloned = git(Path::new("/"))
        .args(["clone", "--quiet", &repository.url()])
        .arg(&clone)
        .status();
    assert!(cloned.expect("git runs").success());
    clone
}

#[test]
fn the_client_is_run_with_a_login_of_its_own() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a; echo new > b");
    let desk = Desk::new(&outwork, CLOUD[4]);
    let here = clone(&repository, &outwork, "here");
    let before = desk.run(&["codex", "--", "cloud", "list"], &here).code(4);
    assert!(
        before.stderr.contains("outwork login --codex"),
        "{before:?}"
    );

    let done = desk.run(&["login", "--codex"], &here).success();
    assert!(!done.stderr.contains("ow_u"), "no token is shown: {done:?}");
    let kept = desk.home.join("outwork/codex");
    for (path, mode) in [(kept.clone(), 0o700), (kept.join("auth.json"), 0o600)] {
        let metadata = fs::metadata(&path).expect("it is there");
        assert_eq!(
            metadata.permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
    }

    let exec = ["codex", "--", "cloud", "exec", "--env", "demo", "change it"];
    let submitted = desk.run(&exec, &here).success().text();
    let id = submitted
        .trim_end()
        .rsplit('/')
        .next()
        .expect("an id")
        .to_owned();
    assert_eq!(submitted, format!("{}/codex/tasks/{id}\n", outwork.url));
    outwork.ended(&id);
    let status = desk
        .run(&["codex", "--", "cloud", "status", &id], &here)
        .success();
    assert!(
        status.text().starts_with("[READY] change it\n"),
        "{status:?}"
    );
    let printed = desk
        .run(&["codex", "cloud", "diff", &id], &here)
        .success()
        .stdout;
    assert_eq!(printed, outwork.diff(&id, &[]));
    desk.run(&["codex", "--", "cloud", "apply", &id], &here)
        .success();
    let there = clone(&repository, &outwork, "there");
    desk.run(&["codex", "--", "apply", &id], &there).success();
    for clone in [&here, &there] {
        assert_eq!(
            fs::read_to_string(clone.join("a")).expect("a file"),
            "1\n2\n"
        );
        assert_eq!(
            fs::read_to_string(clone.join("b")).expect("a file"),
            "new\n"
        );
    }
    let session = desk.run(&["codex", "--", "exec", "hello"], &here).code(2);
    assert!(
        session.stderr.contains("has nothing to do with Outwork"),
        "{session:?}"
    );
    // After the end of the login, what somebody copied of it is worth nothing.
    let copied = ["auth.json", "outwork-server"].map(|name| {
        let path = kept.join(name);
        let content = fs::read(&path).expect("a file");
        (path, content)
    });
    desk.run(&["logout", "--codex"], &here).success();
    desk.run(&["codex", "--", "cloud", "list"], &here).code(4);
    for (path, content) in copied {
        fs::write(path, content).expect("written");
    }
    let refused = desk.run(&["codex", "--", "cloud", "list"], &here).code(1);
    assert!(refused.stderr.contains("401"), "{refused:?}");
    desk.own_login_is_untouched();
    let log = outwork.process.log();
    assert!(!log.contains("canary") && !log.contains("ow_u"), "{log}");
}

#[test]
fn the_launcher_takes_cloud_tasks_to_outwork_whatever_the_version() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let task = outwork.exec("demo", "change it", &[]);
    let id = task["id"].as_str().expect("an id");
    let desk = Desk::new(&outwork, NEWEST);
    let here = clone(&repository, &outwork, "here");
    let shims = desk.shims.to_str().expect("text");

    let refused = desk.codex(&["cloud", "list"], &here, &[]).code(1);
    assert!(
        refused.stderr.contains("custom backends") || refused.stderr.contains("Not signed in"),
        "{refused:?}"
    );
    let installed = desk
        .run(&["shim", "install", "--dir", shims], &here)
        .success();
    assert_eq!(installed.text(), format!("{shims}/codex\n"));
    assert!(
        !installed.stderr.contains("PATH"),
        "it is first: {installed:?}"
    );

    let listed: Value = desk
        .codex(&["cloud", "list", "--json"], &here, &[])
        .success()
        .json();
    assert_eq!(listed["tasks"][0]["id"], id);
    let listed = desk
        .codex(&["--cloud", "list", "--json"], &here, &[])
        .success()
        .json();
    assert_eq!(listed["tasks"][0]["id"], id);
    desk.codex(
        &["apply", "-c", "chatgpt_base_url=http://127.0.0.1:9", id],
        &here,
        &[],
    )
    .success();
    assert_eq!(
        fs::read_to_string(here.join("a")).expect("a file"),
        "1\n2\n"
    );

    // The browser of tasks is Outwork's picker, which needs a terminal.
    let default = [("CODEX_CLOUD_DEFAULT", "yes")];
    for (arguments, more) in [
        (["cloud"].as_slice(), [].as_slice()),
        (&["--cloud"], &[]),
        (&[], &default),
    ] {
        let browser = desk.codex(arguments, &here, more).code(2);
        let says = "the picker needs a terminal";
        assert!(browser.stderr.contains(says), "{browser:?}");
    }
    let version = desk.codex(&["--version"], &here, &default).success().text();
    assert_eq!(version, format!("codex-cli {NEWEST}\n"));
    let status = desk.codex(&["login", "status"], &here, &[]).success();
    assert!(
        status.stderr.contains("API key"),
        "their own login: {status:?}"
    );

    desk.run(&["shim", "uninstall", "--dir", shims], &here)
        .success();
    desk.run(&["shim", "uninstall", "--dir", shims], &here)
        .code(1);
    let version = desk.codex(&["--version"], &here, &[]).success().text();
    assert_eq!(version, format!("codex-cli {NEWEST}\n"));
    fs::create_dir_all(&desk.shims).expect("a folder");
    fs::write(desk.shims.join("codex"), "mine").expect("a file");
    let taken = desk
        .run(&["shim", "install", "--dir", shims], &here)
        .code(1);
    assert!(taken.stderr.contains("is not Outwork's"), "{taken:?}");
}
