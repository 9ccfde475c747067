//! The files Codex finds in its home.

use serde_json::json;

use crate::launch::{HomeFile, LaunchContext, Model};
use crate::path::HomePath;

pub(super) const CODEX_HOME: &str = ".codex";
pub(super) const PROVIDER: &str = "outwork";
const CONFIG_FILE: &str = ".codex/config.toml";
const CATALOGUE_FILE: &str = ".codex/models.json";
const INSTRUCTIONS: &str = include_str!("instructions.md");
/// What the instructions say about questions, one way and the other.
const NOBODY_ANSWERS: &str = "nobody can answer questions during your turn";
const SOMEBODY_ANSWERS: &str = "you can ask a question with `request_user_input`: your turn then ends, and goes on when somebody has answered, \
     which may take hours. Ask only what you cannot find out and must not guess";

/// A call of the model is tried (request retries + 1) × (stream retries + 1) times.
const REQUEST_MAX_RETRIES: u32 = 2;
const STREAM_MAX_RETRIES: u32 = 3;

pub(super) fn files(context: &LaunchContext, model: &Model) -> Vec<HomeFile> {
    let catalogue_path = home_path(CATALOGUE_FILE);
    let config = config_toml(context, model, &context.home.join(&catalogue_path));
    vec![
        // Writable, because Codex writes to it.
        HomeFile {
            path: home_path(CONFIG_FILE),
            contents: config.into_bytes(),
            mode: 0o600,
        },
        HomeFile {
            path: catalogue_path,
            contents: catalogue_json(model, context.interactive).into_bytes(),
            mode: 0o600,
        },
    ]
}

/// * No call leaves the process but those to the model: plug-ins, apps, analytics and the update check are off.
/// * No `env_key`: the gateway adds the key, so there is none in the sandbox that could leak.
/// * The agent's commands get the whole environment: what the operator set for the environment must reach builds and
///   tests, and nothing in it is secret by then.
/// * The checkout stays trusted (Codex notes that itself): untrusted, its `AGENTS.md` is not read. Its own
///   `.codex/config.toml` may start programs, as its tests may; model, provider, policy and sandbox are fixed by the
///   requests, which win over it.
/// * A dead endpoint is an error, not a reason to wait for ever.
fn config_toml(context: &LaunchContext, model: &Model, catalogue_path: &str) -> String {
    let idle_timeout_ms = context.model_idle_timeout_ms;
    let name = toml_string(&model.name);
    let base_url = toml_string(&model.base_url);
    let catalogue = toml_string(catalogue_path);
    let interactive = context.interactive;
    format!(
        r#"model = {name}
model_provider = "{PROVIDER}"
model_catalog_json = {catalogue}
web_search = "disabled"
approval_policy = "never"
sandbox_mode = "danger-full-access"
allow_login_shell = false
check_for_update_on_startup = false
suppress_unstable_features_warning = true

[analytics]
enabled = false

[features]
plugins = false
apps = false
goals = false
default_mode_request_user_input = {interactive}
unbounded_connection_retries = false

[agents]
enabled = false

[shell_environment_policy]
inherit = "all"
exclude = ["CODEX_*"]

[model_providers.{PROVIDER}]
name = "Outwork model gateway"
base_url = {base_url}
wire_api = "responses"
request_max_retries = {REQUEST_MAX_RETRIES}
stream_max_retries = {STREAM_MAX_RETRIES}
stream_idle_timeout_ms = {idle_timeout_ms}
"#
    )
}

/// Without an entry of its own an unknown model gets a warning per turn, and a known name gets tools that only its
/// maker's endpoint understands.
fn catalogue_json(model: &Model, interactive: bool) -> String {
    let instructions = match interactive {
        true => INSTRUCTIONS.replace(NOBODY_ANSWERS, SOMEBODY_ANSWERS),
        false => INSTRUCTIONS.to_owned(),
    };
    let entry = json!({
        "slug": model.name,
        "display_name": model.name,
        "description": "",
        "supported_reasoning_levels": [],
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": true,
        "priority": 1,
        "base_instructions": instructions,
        "supports_reasoning_summaries": false,
        "support_verbosity": false,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": true,
        "context_window": model.context_window_tokens,
        "experimental_supported_tools": [],
    });
    json!({ "models": [entry] }).to_string()
}

/// A basic string as TOML 1.0 defines it.
fn toml_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control.is_ascii_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

fn home_path(path: &str) -> HomePath {
    HomePath::parse(path).expect("our own names are plain relative paths")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::AbsolutePath;

    #[test]
    fn any_text_survives_toml() {
        let all_ascii: String = (0..=127).map(char::from).collect();
        for text in [
            "",
            "plain",
            "q\"uo\\te",
            "a\nb\r\tc",
            "ü€😀\u{85}\u{2028}",
            "'''\"\"\"",
            "x = 1 # [a]",
            &all_ascii,
        ] {
            let document = format!("value = {}", toml_string(text));
            let parsed: toml::Table = document
                .parse()
                .unwrap_or_else(|error| panic!("{document:?}: {error}"));
            assert_eq!(parsed["value"].as_str(), Some(text));
        }
    }

    #[test]
    fn instructions_say_whether_somebody_answers() {
        assert!(INSTRUCTIONS.contains(NOBODY_ANSWERS));
    }

    #[test]
    fn a_model_name_cannot_add_settings() {
        let model = Model {
            name: "m\"\nweb_search = \"live\"\n#".to_owned(),
            base_url: "http://127.0.0.1:8100/v1".to_owned(),
            context_window_tokens: 1000,
        };
        let context = LaunchContext {
            home: AbsolutePath::parse("/home/agent").unwrap(),
            cwd: AbsolutePath::parse("/workspace").unwrap(),
            model: None,
            prompt: String::new(),
            question: None,
            interactive: false,
            output_schema: None,
            turn_number: 1,
            session: None,
            model_idle_timeout_ms: 5,
        };
        let config: toml::Table = config_toml(&context, &model, "/home/agent/.codex/models.json")
            .parse()
            .unwrap();
        assert_eq!(config["model"].as_str(), Some(model.name.as_str()));
        assert_eq!(config["web_search"].as_str(), Some("disabled"));
    }
}
