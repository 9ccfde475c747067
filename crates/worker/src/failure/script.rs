//! What people are told when one of an environment's scripts failed.

use outwork_domain::{Failure, FailureCode};

/// One of an environment's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Setup,
    Maintenance,
}

impl Script {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Setup => "The setup script",
            Self::Maintenance => "The maintenance script",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Setup => "--setup",
            Self::Maintenance => "--maintenance",
        }
    }
}

/// A script that ended with anything but success. The last line that it wrote mostly says why.
pub(crate) fn script(script: Script, environment: &str, exit: &str, tail: &str) -> Failure {
    let code = match script {
        Script::Setup => FailureCode::SetupFailed,
        Script::Maintenance => FailureCode::MaintenanceFailed,
    };
    let tail = tail.trim_end();
    let mut message = format!("{} failed with {exit}", script.sentence());
    match telling_line(tail) {
        Some(line) => message.push_str(&format!(": {line}")),
        None => message.push('.'),
    }
    if tail.lines().nth(1).is_some() {
        message.push_str("\nIt wrote last:\n");
        message.push_str(tail);
    }
    let change = format!(
        "change the script with `outwork env edit {} {} FILE`",
        quoted(environment),
        script.option()
    );
    let wants_network = NETWORK_SIGNS.iter().any(|sign| tail.contains(sign));
    Failure::new(code, message).with_hint(if wants_network {
        format!(
            "It seems that something does not use the proxy, which is the only way to the network: scripts find its address in \
             HTTP_PROXY and HTTPS_PROXY, and there is no name service. To mend that, {change}."
        )
    } else {
        format!(
            "The log has all of its output; {change}."
        )
    })
}

/// The last line that says something, cut to a length that can be read.
fn telling_line(tail: &str) -> Option<&str> {
    const LINE_BYTES: usize = 300;
    let lines = || {
        tail.lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let tells = |line: &&str| {
        let line = line.to_ascii_lowercase();
        [
            "error",
            "not found",
            "fail",
            "cannot",
            "denied",
            "no such",
            "unable",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let line = lines().take(10).find(tells).or_else(|| lines().next())?;
    Some(&line[..line.floor_char_boundary(LINE_BYTES)])
}

/// A label as a shell takes it.
pub(crate) fn quoted(label: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !label.is_empty() && label.chars().all(plain) {
        label.to_owned()
    } else {
        format!("'{}'", label.replace('\'', "'\\''"))
    }
}

/// The same failure for those who waited for the attempt's build.
pub(crate) fn of_another_build(failure: Failure, attempt: &str) -> Failure {
    let Failure {
        code,
        message,
        hint,
    } = failure;
    Failure {
        code,
        message: format!(
            "{message}\nIt ran once for several attempts: the log of {attempt} has its output."
        ),
        hint,
    }
}

const NETWORK_SIGNS: [&str; 10] = [
    "Could not resolve",
    "could not resolve",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "Name or service not known",
    "Network is unreachable",
    "EAI_AGAIN",
    "ENOTFOUND",
    "dns error",
    "no such host",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_failed_is_told_by_its_last_error() {
        let tail = "+ npm ci\nbash: line 3: npm: command not found\n";
        let failure = script(Script::Setup, "my web", "exit code 127", tail);
        assert_eq!(failure.code, FailureCode::SetupFailed);
        assert_eq!(
            failure.message,
            "The setup script failed with exit code 127: bash: line 3: npm: command not found\n\
             It wrote last:\n+ npm ci\nbash: line 3: npm: command not found"
        );
        assert_eq!(
            failure.hint.unwrap(),
            "The log has all of its output; change the script with `outwork env edit 'my web' --setup FILE`."
        );
        let silent = script(Script::Maintenance, "web", "exit code 1", "");
        assert_eq!(
            silent.message,
            "The maintenance script failed with exit code 1."
        );
        assert!(
            silent
                .hint
                .unwrap()
                .contains("`outwork env edit web --maintenance FILE`")
        );
    }

    #[test]
    fn a_script_that_goes_around_the_proxy_is_told_so() {
        let hint = |tail| {
            script(Script::Setup, "web", "exit code 1", tail)
                .hint
                .unwrap()
        };
        assert!(hint("curl: (6) Could not resolve host: example.org").contains("HTTPS_PROXY"));
        assert!(!hint("make: *** no rule").contains("PROXY"));
    }
}
