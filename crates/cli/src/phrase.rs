//! The server's sentences, as they stand after `error:` and `hint:`.

/// The names of fields in requests, as they are typed.
const TYPED: &[(&str, &str)] = &[
    ("agent.command", "--agent-command"),
    ("agent", "--agent"),
    ("approvals", "--approvals"),
    ("attempt", "--attempt"),
    ("agents", "--agent"),
    ("attempts", "--attempts"),
    ("api_key", "the key"),
    ("base_image", "--image"),
    ("base_url", "--base-url"),
    ("branch", "--branch"),
    ("comments", "--comments"),
    ("commit", "--commit"),
    ("context_window", "--context-window"),
    ("environment", "--env"),
    ("further_repositories", "--also"),
    ("injections", "--inject"),
    ("label", "the label"),
    ("maintenance_script", "--maintenance"),
    ("max_concurrent", "--max-concurrent"),
    ("max_tokens", "--max-tokens"),
    ("name", "--name"),
    ("network", "--network"),
    ("network.allow", "--allow"),
    ("network.methods", "--read-only-methods"),
    ("network.ports", "--port"),
    ("parts", "--take"),
    ("path", "the path"),
    ("priority", "--priority"),
    ("prompt", "the prompt"),
    ("repository", "--repo"),
    ("repository_url", "--repo"),
    ("resources.cpu_millis", "--cpus"),
    ("resources.disk_bytes", "--disk"),
    ("resources.memory_bytes", "--memory"),
    ("resources.open_files", "--open-files"),
    ("resources.processes", "--processes"),
    ("runtimes", "--runtime"),
    ("scope", "the scope"),
    ("secrets", "--secret"),
    ("setup_script", "--setup"),
    ("setup_timeout", "--setup-timeout"),
    ("setup_timeout_seconds", "--setup-timeout"),
    ("timeout_seconds", "--timeout"),
    ("variables", "--var"),
    ("verify_command", "--verify"),
    ("verify_timeout", "--verify-timeout"),
    ("verify_timeout_seconds", "--verify-timeout"),
];

/// A sentence, going on after a colon: without its capital and its full stop.
pub fn after_colon(sentence: &str) -> String {
    let sentence = sentence.trim_end();
    if sentence.contains(". ") {
        return sentence.to_owned();
    }
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    let word = sentence.split([' ', ',', ':']).next().unwrap_or("");
    let is_name = word == "Outwork" || word.chars().skip(1).any(char::is_uppercase);
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) if !is_name => first.to_lowercase().chain(chars).collect(),
        Some(_) | None => sentence.to_owned(),
    }
}

/// The same, with the request's fields called as they are typed.
pub(crate) fn as_typed(sentence: &str) -> String {
    let mut sentence = sentence.to_owned();
    for (field, typed) in TYPED {
        sentence = sentence.replace(&format!("`{field}`"), typed);
    }
    after_colon(&sentence)
}

/// The field at `pointer` as it is typed, if it can be.
pub(crate) fn typed(pointer: &str) -> Option<&'static str> {
    let path = pointer.trim_start_matches('/').replace('/', ".");
    let top = path.split('.').next().unwrap_or("");
    let find = |name: &str| TYPED.iter().find(|(field, _)| *field == name);
    find(&path).or_else(|| find(top)).map(|(_, typed)| *typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_go_on_after_a_colon() {
        for (sentence, expected) in [
            ("There is no task.", "there is no task"),
            ("A task is missing.", "a task is missing"),
            ("Outwork is full.", "Outwork is full"),
            ("PostgreSQL is away.", "PostgreSQL is away"),
            ("Free some space. Then try.", "Free some space. Then try."),
            ("It's so", "it's so"),
            ("Task_1 runs", "task_1 runs"),
            ("`x` is empty.", "`x` is empty"),
            ("", ""),
        ] {
            assert_eq!(after_colon(sentence), expected);
        }
    }

    #[test]
    fn fields_are_called_as_they_are_typed() {
        assert_eq!(as_typed("`timeout_seconds` is 0."), "--timeout is 0");
        assert_eq!(
            as_typed("`agent.command` is empty."),
            "--agent-command is empty"
        );
        assert_eq!(typed("/variables/A"), Some("--var"));
        assert_eq!(typed("/agent/command"), Some("--agent-command"));
        assert_eq!(typed("/branch"), Some("--branch"));
        assert_eq!(typed("/else"), None);
    }
}
