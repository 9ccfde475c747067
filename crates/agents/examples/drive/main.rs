//! Drives a real agent on this host, without any sandbox: for trying an adapter and for recording transcripts.
//!
//! ```text
//! cargo run -p outwork-agents --example drive -- codex --binary-root DIR --home DIR --cwd DIR \
//!     --base-url http://127.0.0.1:8100/v1 --model NAME [options] PROMPT
//! cargo run -p outwork-agents --example drive -- command --run 'cat' --home DIR --cwd DIR PROMPT
//!
//! --session DIR        continue the session stored there
//! --save-session DIR   store the session there when the process is gone
//! --record FILE        write everything that went in and out, one JSON object a line
//! --interrupt-at TEXT  interrupt when an event contains TEXT
//! --steer-at TEXT --steer TEXT   send a message when an event contains TEXT
//! --env NAME=VALUE     a variable for the agent besides PATH and LANG; nothing of this process' environment is handed on
//! ```
//!
//! Prints one effect a line with the milliseconds since the process was started. The exit code is 0 if the turn completed.

mod session;

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use outwork_agents::{
    AbsolutePath, Adapter, Agent, AgentCommand, AgentKind, Effect, ExitStatus, Launch,
    LaunchContext, Model, Prepared, SteerId, TurnOutcome,
};
use serde_json::{Value, json};

type Failure = Box<dyn Error>;

fn main() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let agent = agent(&arguments)?;
    let home = PathBuf::from(arguments.get("home")?);
    let Prepared { launch, adapter } = agent.prepare(context(&arguments)?)?;
    write_home(&home, &launch)?;

    let mut child = spawn(&launch, &arguments)?;
    let (sender, receiver) = channel();
    pump(
        child.stdout.take().ok_or("no stdout")?,
        sender.clone(),
        Input::Stdout,
    );
    pump(
        child.stderr.take().ok_or("no stderr")?,
        sender,
        Input::Stderr,
    );

    let mut host = Host::new(&arguments, adapter, child)?;
    let effects = host.adapter.start();
    host.carry_out(effects)?;
    // Ends when both pipes are closed.
    for input in receiver {
        host.on_input(input)?;
    }
    let status = host.child.wait()?;
    host.on_exit(status)?;
    if let (Some(directory), Some(spec)) = (
        arguments.optional("save-session"),
        host.adapter.session_files(),
    ) {
        session::save_session(&home, Path::new(directory), &spec)?;
    }
    Ok(match host.outcome {
        Some(TurnOutcome::Completed { .. }) => ExitCode::SUCCESS,
        Some(TurnOutcome::Interrupted | TurnOutcome::Asked { .. } | TurnOutcome::Failed { .. })
        | None => ExitCode::FAILURE,
    })
}

struct Arguments {
    kind: AgentKind,
    options: HashMap<String, String>,
    prompt: String,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let kind = AgentKind::parse(&arguments.next().ok_or("name an agent")?)?;
        let mut options = HashMap::new();
        let mut prompt = None;
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = arguments
                        .next()
                        .ok_or_else(|| format!("--{name} needs a value"))?;
                    options.insert(name.to_owned(), value);
                }
                None => prompt = Some(argument),
            }
        }
        Ok(Self {
            kind,
            options,
            prompt: prompt.ok_or("give a prompt")?,
        })
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    fn get(&self, name: &str) -> Result<&str, Failure> {
        self.optional(name)
            .ok_or_else(|| format!("--{name} is missing").into())
    }
}

fn agent(arguments: &Arguments) -> Result<Agent, Failure> {
    Ok(match arguments.kind {
        AgentKind::Codex => Agent::Codex {
            binary_root: AbsolutePath::parse(arguments.get("binary-root")?)?,
        },
        AgentKind::Command => Agent::Command {
            command_line: arguments.get("run")?.to_owned(),
        },
    })
}

fn context(arguments: &Arguments) -> Result<LaunchContext, Failure> {
    let model = match (arguments.optional("model"), arguments.optional("base-url")) {
        (Some(name), Some(base_url)) => Some(Model {
            name: name.to_owned(),
            base_url: base_url.to_owned(),
            context_window_tokens: 100_000,
        }),
        _ => None,
    };
    let session = arguments
        .optional("session")
        .map(|directory| session::load_session(Path::new(directory)))
        .transpose()?;
    Ok(LaunchContext {
        home: AbsolutePath::parse(arguments.get("home")?)?,
        cwd: AbsolutePath::parse(arguments.get("cwd")?)?,
        model,
        prompt: arguments.prompt.clone(),
        question: None,
        interactive: false,
        output_schema: None,
        turn_number: if session.is_some() { 2 } else { 1 },
        session,
        model_idle_timeout_ms: 60_000,
    })
}

fn write_home(home: &Path, launch: &Launch) -> Result<(), Failure> {
    fs::create_dir_all(home)?;
    for directory in &launch.directories {
        fs::create_dir_all(home.join(directory.as_str()))?;
    }
    for file in &launch.files {
        let path = home.join(file.path.as_str());
        fs::create_dir_all(path.parent().ok_or("a file has a directory")?)?;
        fs::write(&path, &file.contents)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

fn spawn(launch: &Launch, arguments: &Arguments) -> Result<Child, Failure> {
    let [program, rest @ ..] = launch.argv.as_slice() else {
        return Err("an empty command".into());
    };
    let mut command = Command::new(program);
    command
        .args(rest)
        .current_dir(arguments.get("cwd")?)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8");
    if let Some((name, value)) = arguments
        .optional("env")
        .and_then(|variable| variable.split_once('='))
    {
        command.env(name, value);
    }
    command.envs(launch.env.iter().map(|(name, value)| (name, value)));
    Ok(command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?)
}

enum Input {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

fn pump(mut from: impl Read + Send + 'static, to: Sender<Input>, wrap: fn(Vec<u8>) -> Input) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.send(wrap(buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}

struct Host {
    adapter: Box<dyn Adapter>,
    child: Child,
    stdin: Option<ChildStdin>,
    started: Instant,
    record: Option<fs::File>,
    /// What to do once, when an event contains a text.
    triggers: Vec<(String, AgentCommand)>,
    outcome: Option<TurnOutcome>,
}

impl Host {
    fn new(
        arguments: &Arguments,
        adapter: Box<dyn Adapter>,
        mut child: Child,
    ) -> Result<Self, Failure> {
        let mut triggers = Vec::new();
        if let Some(text) = arguments.optional("interrupt-at") {
            triggers.push((text.to_owned(), AgentCommand::Interrupt));
        }
        if let Some(text) = arguments.optional("steer-at") {
            let steer = AgentCommand::Steer {
                steer: SteerId(1),
                text: arguments.get("steer")?.to_owned(),
            };
            triggers.push((text.to_owned(), steer));
        }
        Ok(Self {
            adapter,
            stdin: child.stdin.take(),
            child,
            started: Instant::now(),
            record: arguments
                .optional("record")
                .map(fs::File::create)
                .transpose()?,
            triggers,
            outcome: None,
        })
    }

    fn on_input(&mut self, input: Input) -> Result<(), Failure> {
        let effects = match input {
            Input::Stdout(bytes) => {
                self.recorded(&json!({"out": String::from_utf8_lossy(&bytes)}))?;
                self.adapter.on_stdout(&bytes)
            }
            Input::Stderr(bytes) => {
                self.recorded(&json!({"err": String::from_utf8_lossy(&bytes)}))?;
                self.adapter.on_stderr(&bytes)
            }
        };
        self.carry_out(effects)
    }

    fn on_exit(&mut self, status: std::process::ExitStatus) -> Result<(), Failure> {
        let status = match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::Code(code),
            (None, signal) => ExitStatus::Signal(signal.ok_or("neither code nor signal")?),
        };
        self.recorded(&match status {
            ExitStatus::Code(code) => json!({"exit": code}),
            ExitStatus::Signal(signal) => json!({"signal": signal}),
        })?;
        let effects = self.adapter.on_exit(status);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Failure> {
        for effect in effects {
            self.print(&effect)?;
            let follow_up = match effect {
                Effect::WriteStdin(bytes) => {
                    self.recorded(&json!({"in": String::from_utf8_lossy(&bytes)}))?;
                    if let Some(stdin) = &mut self.stdin {
                        // A program need not read its input; its exit tells the rest.
                        match stdin.write_all(&bytes) {
                            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                                return Err(error.into());
                            }
                            Ok(()) | Err(_) => {}
                        }
                    }
                    None
                }
                Effect::CloseStdin => {
                    self.stdin = None;
                    None
                }
                Effect::Event(event) => self.triggered(&format!("{event:?}")),
                Effect::SteerAnswered { .. } => None,
                Effect::TurnFinished(outcome) => {
                    self.outcome = Some(outcome);
                    Some(AgentCommand::Shutdown)
                }
                Effect::Kill => {
                    self.child.kill()?;
                    None
                }
            };
            if let Some(command) = follow_up {
                self.recorded(&recorded_command(&command))?;
                let effects = self.adapter.command(command);
                self.carry_out(effects)?;
            }
        }
        Ok(())
    }

    fn triggered(&mut self, event: &str) -> Option<AgentCommand> {
        let at = self
            .triggers
            .iter()
            .position(|(text, _)| event.contains(text))?;
        Some(self.triggers.remove(at).1)
    }

    fn print(&self, effect: &Effect) -> Result<(), Failure> {
        let shown = match effect {
            Effect::WriteStdin(bytes) => format!("→ {}", String::from_utf8_lossy(bytes).trim_end()),
            Effect::CloseStdin | Effect::Kill | Effect::SteerAnswered { .. } => {
                format!("{effect:?}")
            }
            Effect::Event(event) => format!("{event:?}"),
            Effect::TurnFinished(outcome) => format!("finished: {outcome:?}"),
        };
        writeln!(
            std::io::stdout(),
            "{:>6} {shown}",
            self.started.elapsed().as_millis()
        )?;
        Ok(())
    }

    fn recorded(&mut self, entry: &Value) -> Result<(), Failure> {
        if let Some(file) = &mut self.record {
            writeln!(file, "{entry}")?;
        }
        Ok(())
    }
}

fn recorded_command(command: &AgentCommand) -> Value {
    match command {
        AgentCommand::Interrupt => json!({"command": "interrupt"}),
        AgentCommand::Steer { steer: _, text } => json!({"command": "steer", "text": text}),
        AgentCommand::Shutdown => json!({"command": "shutdown"}),
    }
}
