//! The stock client in its released versions, for tests: fetched from the npm registry once, kept between runs, and run with nothing of the
//! tester's environment.

mod install;
mod outside;
mod terminal;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub use install::program;
pub use outside::Outside;
pub use terminal::Terminal;

/// The versions whose `codex cloud` can be given a server, oldest and newest included.
pub const CLOUD: [&str; 5] = ["0.89.0", "0.101.0", "0.130.0", "0.140.0", "0.151.0"];
/// The version with the newest `codex apply`. Its `codex cloud` refuses other servers.
pub const NEWEST: &str = "0.169.0";

/// A client of one version, with a home of its own and a server to use.
pub struct Client {
    pub version: &'static str,
    program: PathBuf,
    home: TempDir,
    base: String,
    variables: Vec<(String, String)>,
    outside: Outside,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Client {
    /// Of that version, installed below `target`, the target folder. `base` is the server as the client is told it; `token` is in its login file.
    pub fn new(target: &Path, version: &'static str, base: &str, token: &str) -> Self {
        let home = tempfile::Builder::new()
            .prefix("codex-home-")
            .tempdir_in(target);
        let home = home.expect("a home");
        let client = Self {
            version,
            program: program(target, version),
            home,
            base: base.to_owned(),
            variables: Vec::new(),
            outside: Outside::open(),
        };
        let login = format!(
            r#"{{"OPENAI_API_KEY":null,"tokens":{{"id_token":"e30.e30.x","access_token":"{token}","refresh_token":"","account_id":"acct-1"}},"last_refresh":"2099-01-01T00:00:00Z"}}"#
        );
        std::fs::write(client.home().join("auth.json"), login).expect("a login");
        client
    }

    /// `CODEX_HOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// With one more variable in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Not signed in.
    #[must_use]
    pub fn signed_out(self) -> Self {
        std::fs::remove_file(self.home().join("auth.json")).expect("it was signed in");
        self
    }

    /// A command in `directory`, ready to run.
    pub fn command<S: AsRef<OsStr>>(&self, directory: &Path, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null());
        command
    }

    /// Whatever is not for the server goes to a proxy that answers nobody.
    fn environment(&self) -> Vec<(String, String)> {
        let path = std::env::var_os("PATH").expect("there is a PATH");
        let home = self.home().display().to_string();
        let outside = self.outside.url();
        let fixed = [
            ("PATH", path.to_string_lossy().into_owned()),
            ("HOME", home.clone()),
            ("CODEX_HOME", home),
            ("CODEX_CLOUD_TASKS_BASE_URL", self.base.clone()),
            ("HTTP_PROXY", outside.clone()),
            ("HTTPS_PROXY", outside),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
        fixed.into_iter().chain(self.variables.clone()).collect()
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, directory: &Path, arguments: &[S]) -> Done {
        Done::of(self.command(directory, arguments).output())
    }

    /// The same with text on its standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        directory: &Path,
        arguments: &[S],
        input: &str,
    ) -> Done {
        let file = self.home().join("input");
        std::fs::write(&file, input).expect("a file");
        let file = std::fs::File::open(&file).expect("it was just written");
        Done::of(self.command(directory, arguments).stdin(file).output())
    }

    /// `codex apply`, which takes its server from the configuration.
    pub fn apply(&self, directory: &Path, task: &str) -> Done {
        let setting = format!("chatgpt_base_url={}", self.base);
        self.run(directory, &["apply", "-c", &setting, task])
    }

    /// A command on a terminal.
    pub fn on_terminal<S: AsRef<OsStr>>(&self, directory: &Path, arguments: &[S]) -> Terminal {
        Terminal::run(&self.program, arguments, directory, &self.environment())
    }

    /// Fails if the client tried to speak with anybody but its server.
    #[track_caller]
    pub fn kept_to_its_server(&self) {
        let asked = self.outside.asked();
        assert!(asked.is_empty(), "codex {} asked {asked:?}", self.version);
    }
}

impl Done {
    fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("codex runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// What it printed, if it ended with that code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}
