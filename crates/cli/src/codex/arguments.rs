//! What a command line of the stock client is about.

use std::ffi::OsString;

/// Its flags that stand before a command and take the next word as their value.
const WITH_VALUE: [&str; 24] = [
    "-c",
    "--config",
    "--enable",
    "--disable",
    "-m",
    "--model",
    "-p",
    "--profile",
    "-C",
    "--cd",
    "-i",
    "--image",
    "-s",
    "--sandbox",
    "-a",
    "--ask-for-approval",
    "--add-dir",
    "--local-provider",
    "--remote",
    "--remote-auth-token-env",
    "--output-schema",
    "--color",
    "-o",
    "--output-last-message",
];
/// Ours.
const CLOUD: &str = "--cloud";
/// The variable that makes the browser of tasks the default.
pub const CLOUD_DEFAULT: &str = "CODEX_CLOUD_DEFAULT";
/// Its values that mean yes.
const YES: [&str; 4] = ["1", "true", "yes", "on"];

/// Whether a value of `CODEX_CLOUD_DEFAULT` means yes.
pub fn is_yes(value: &str) -> bool {
    YES.contains(&value.trim().to_ascii_lowercase().as_str())
}

/// Where a command of the stock client goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The browser of tasks.
    Browser,
    /// A command of Outwork, with its arguments.
    Outwork(Vec<OsString>),
    /// The client itself, with what was given.
    Client,
}

/// Where `codex ARGUMENTS` goes. `cloud_default` is what `CODEX_CLOUD_DEFAULT` says.
pub(crate) fn route(arguments: &[OsString], cloud_default: Option<&str>) -> Route {
    let is_default = cloud_default.is_some_and(is_yes);
    if arguments.is_empty() && is_default {
        return Route::Browser;
    }
    let at = command_at(arguments);
    if arguments[..at].iter().any(|word| word == CLOUD) {
        let rest = &arguments[at..];
        return match rest.first() {
            None => Route::Browser,
            Some(_) => outwork("cloud", rest),
        };
    }
    let Some((command, rest)) = arguments[at..].split_first() else {
        return Route::Client;
    };
    match command.to_str() {
        Some("cloud" | "cloud-tasks") if rest.is_empty() => Route::Browser,
        Some("cloud" | "cloud-tasks") => outwork("cloud", rest),
        Some("apply" | "a") => outwork("apply", &without_settings(rest)),
        Some(_) | None => Route::Client,
    }
}

fn outwork(command: &str, rest: &[OsString]) -> Route {
    let words = [OsString::from(command)].into_iter();
    Route::Outwork(words.chain(rest.iter().cloned()).collect())
}

/// Where the command stands: after the flags and their values.
pub(crate) fn command_at(arguments: &[OsString]) -> usize {
    let mut at = 0;
    while let Some(word) = arguments.get(at).and_then(|word| word.to_str()) {
        match word {
            "--" => return arguments.len(),
            word if WITH_VALUE.contains(&word) => at += 2,
            word if word.starts_with('-') => at += 1,
            _ => break,
        }
    }
    at.min(arguments.len())
}

/// The settings of the stock client say nothing to Outwork.
fn without_settings(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("-c" | "--config" | "--enable" | "--disable") => {
                words.next();
            }
            Some(text) if text.starts_with("--config=") => {}
            Some(_) | None => kept.push(word.clone()),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn cloud_tasks_go_to_outwork_and_all_else_to_the_client() {
        let ours = |text: &str| Route::Outwork(words(text));
        let cases = [
            ("cloud", None, Route::Browser),
            ("cloud-tasks", None, Route::Browser),
            ("--cloud", None, Route::Browser),
            ("-m x --cloud", None, Route::Browser),
            ("", Some("On"), Route::Browser),
            ("", Some("0"), Route::Client),
            ("", None, Route::Client),
            (
                "cloud exec --env e cloud",
                None,
                ours("cloud exec --env e cloud"),
            ),
            ("-c a=b cloud list --json", None, ours("cloud list --json")),
            ("--cloud list", None, ours("cloud list")),
            ("apply task_1", None, ours("apply task_1")),
            ("a -c chatgpt_base_url=x task_1", None, ours("apply task_1")),
            ("exec cloud", Some("1"), Route::Client),
            ("-m cloud", None, Route::Client),
            ("-- cloud", None, Route::Client),
            ("exec --cloud", None, Route::Client),
            ("login", Some("1"), Route::Client),
            ("--version", Some("1"), Route::Client),
            ("-c", None, Route::Client),
        ];
        for (given, default, expected) in cases {
            assert_eq!(route(&words(given), default), expected, "codex {given}");
        }
    }
}
