//! What the host is told to start, and what is refused.

#![allow(
    clippy::unwrap_used,
    reason = "the lint only knows test functions, not what they call"
)]

use outwork_agents::{
    AbsolutePath, Agent, AgentKind, HomePath, Launch, LaunchContext, Model, PrepareError,
    SessionFile, StoredSession,
};

fn context() -> LaunchContext {
    LaunchContext {
        home: AbsolutePath::parse("/home/agent").unwrap(),
        cwd: AbsolutePath::parse("/workspace").unwrap(),
        model: Some(Model {
            name: "my \"model\"".to_owned(),
            base_url: "http://127.0.0.1:8100/v1".to_owned(),
            context_window_tokens: 100_000,
        }),
        prompt: "fix the readme".to_owned(),
        question: None,
        interactive: false,
        output_schema: None,
        turn_number: 2,
        session: None,
        model_idle_timeout_ms: 120_000,
    }
}

fn session(path: &str) -> StoredSession {
    StoredSession {
        thread_id: "01a1f988-9e0a-7500-856d-99de13ea5167".to_owned(),
        files: vec![SessionFile {
            path: HomePath::parse(path).unwrap(),
            contents: b"{}\n".to_vec(),
        }],
    }
}

fn codex() -> Agent {
    Agent::Codex {
        binary_root: AbsolutePath::parse("/opt/codex").unwrap(),
    }
}

fn command() -> Agent {
    Agent::Command {
        command_line: "my-agent --prompt -".to_owned(),
    }
}

fn launched(agent: &Agent, context: LaunchContext) -> String {
    let Launch {
        argv,
        env,
        files,
        directories,
    } = agent.prepare(context).unwrap().launch;
    let mut shown = format!("argv {argv:?}\n");
    env.iter()
        .for_each(|(name, value)| shown += &format!("env {name}={value}\n"));
    directories
        .iter()
        .for_each(|directory| shown += &format!("directory {}\n", directory.as_str()));
    for file in files {
        let contents = String::from_utf8(file.contents).unwrap();
        shown += &format!("file {} {:o}\n{contents}\n", file.path.as_str(), file.mode);
    }
    shown
}

fn refusal(agent: &Agent, context: LaunchContext) -> String {
    agent.prepare(context).err().expect("refused").to_string()
}

#[test]
fn codex_gets_its_configuration_and_its_session() {
    let session = Some(session(".codex/sessions/2026/11/20/rollout-x.jsonl"));
    insta::assert_snapshot!(launched(
        &codex(),
        LaunchContext {
            session,
            ..context()
        }
    ));
}

#[test]
fn no_key_is_handed_to_codex() {
    let shown = launched(&codex(), context());
    assert!(
        !shown.contains("env_key") && !shown.contains("http_headers"),
        "{shown}"
    );
}

#[test]
fn a_command_gets_the_prompt_and_its_session() {
    let session = Some(StoredSession {
        thread_id: "command".to_owned(),
        ..session(".session/notes")
    });
    insta::assert_snapshot!(launched(
        &command(),
        LaunchContext {
            session,
            ..context()
        }
    ));
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    let without_model = LaunchContext {
        model: None,
        ..context()
    };
    assert_eq!(
        refusal(&codex(), without_model),
        "the agent `codex` needs a model; configure one with `outwork model set`"
    );
    let empty = LaunchContext {
        prompt: " \n".to_owned(),
        ..context()
    };
    assert_eq!(refusal(&codex(), empty.clone()), "the prompt is empty");
    assert_eq!(refusal(&command(), empty), "the prompt is empty");
    let nothing = Agent::Command {
        command_line: " ".to_owned(),
    };
    assert_eq!(
        nothing.prepare(context()).err(),
        Some(PrepareError::CommandMissing)
    );
}

#[test]
fn a_session_cannot_bring_other_files() {
    for path in [
        ".codex/config.toml",
        ".bashrc",
        ".codex/sessions-x/rollout.jsonl",
        ".codex/sessions/x.sqlite",
    ] {
        let context = LaunchContext {
            session: Some(session(path)),
            ..context()
        };
        let error = codex().prepare(context).err();
        assert!(
            matches!(
                error,
                Some(PrepareError::SessionUnusable {
                    agent: AgentKind::Codex,
                    ..
                })
            ),
            "{path}: {error:?}"
        );
    }
    let context = LaunchContext {
        session: Some(session(".bashrc")),
        ..context()
    };
    assert_eq!(
        refusal(&command(), context),
        "the stored session is not one of the agent `command`: it has files outside .session"
    );
}

#[test]
fn agents_are_found_by_name() {
    for kind in AgentKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    let error = |name: &str| AgentKind::parse(name).unwrap_err().to_string();
    assert_eq!(
        error("claude"),
        "the agent `claude` is not supported yet by this version; use `codex` or `command`"
    );
    assert_eq!(
        error("gemini"),
        "there is no agent `gemini`; use `codex` or `command`"
    );
}
