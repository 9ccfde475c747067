//! Headers that are put into an agent's requests, on the command line.

use std::path::PathBuf;

use outwork_api::Secret;
use outwork_api::environment::Environment;
use outwork_api::injection::{InjectionChange, NewInjection};
use outwork_domain::environment::InjectionTarget;

use super::edit::absent;
use super::values::{self, SecretSource};
use crate::error::CliError;
use crate::session::Session;

/// A header, and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectFlag {
    target: InjectionTarget,
    source: SecretSource,
}

/// Which injections are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveFlag {
    host: String,
    /// All of the host when `None`.
    header: Option<String>,
}

const FORMS: &str = "write it as HOST:HEADER=@FILE, HOST:HEADER=- or HOST:HEADER=VALUE";

/// Reads `HOST:HEADER=@FILE`, `HOST:HEADER=-` or `HOST:HEADER=VALUE`.
pub(super) fn parse_inject(text: &str) -> Result<InjectFlag, String> {
    let (place, value) = text.split_once('=').ok_or(FORMS)?;
    let (host, header) = place.split_once(':').ok_or(FORMS)?;
    let target = InjectionTarget::parse(host, header).map_err(|fault| fault.to_string())?;
    let source = match value {
        "" => return Err(FORMS.to_owned()),
        "-" => SecretSource::Stdin,
        value => match value.strip_prefix('@') {
            Some(file) => SecretSource::File(PathBuf::from(file)),
            None => SecretSource::Given(Secret::new(value)),
        },
    };
    Ok(InjectFlag { target, source })
}

/// Reads `HOST` or `HOST:HEADER`.
pub(super) fn parse_remove(text: &str) -> Result<RemoveFlag, String> {
    let (host, header) = match text.split_once(':') {
        Some((host, header)) => (host, Some(header)),
        None => (text, None),
    };
    if host.is_empty() || header.is_some_and(str::is_empty) {
        return Err("write it as HOST or HOST:HEADER".to_owned());
    }
    Ok(RemoveFlag {
        host: host.to_ascii_lowercase(),
        header: header.map(str::to_ascii_lowercase),
    })
}

/// The injections that the flags name, with their values.
pub(super) async fn injections(
    session: &mut Session,
    flags: Vec<InjectFlag>,
) -> Result<Vec<NewInjection>, CliError> {
    let mut injections = Vec::with_capacity(flags.len());
    for InjectFlag { target, source } in flags {
        let InjectionTarget { host, header } = target;
        let what = format!("header {header} for {host}");
        let name = format!("{host}:{header}");
        let value = values::value(session, &what, &name, source).await?;
        injections.push(NewInjection {
            host: host.to_string(),
            header: header.to_string(),
            value,
        });
    }
    Ok(injections)
}

/// What changes: those to be removed, then those to be set.
pub(super) async fn changes(
    session: &mut Session,
    current: &Environment,
    set: Vec<InjectFlag>,
    remove: Vec<RemoveFlag>,
) -> Result<Vec<InjectionChange>, CliError> {
    let mut changes = removals(current, &remove)?;
    for NewInjection {
        host,
        header,
        value,
    } in injections(session, set).await?
    {
        changes.retain(|change| change.host != host || change.header != header);
        changes.push(InjectionChange {
            host,
            header,
            value: Some(value),
        });
    }
    Ok(changes)
}

fn removals(
    current: &Environment,
    remove: &[RemoveFlag],
) -> Result<Vec<InjectionChange>, CliError> {
    let mut changes: Vec<InjectionChange> = Vec::new();
    for RemoveFlag { host, header } in remove {
        let mut is_there = false;
        for one in &current.injections {
            if one.host != *host || header.as_ref().is_some_and(|header| *header != one.header) {
                continue;
            }
            is_there = true;
            changes.retain(|change| change.host != one.host || change.header != one.header);
            changes.push(InjectionChange {
                host: one.host.clone(),
                header: one.header.clone(),
                value: None,
            });
        }
        if !is_there {
            let name = |host: &str, header: &str| format!("{host}:{header}");
            let all = current.injections.iter();
            let names: Vec<String> = all.map(|one| name(&one.host, &one.header)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let wanted = match header {
                Some(header) => name(host, header),
                None => host.clone(),
            };
            return Err(absent("injection", &wanted, &names));
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injection_names_its_host_header_and_value() {
        let parsed = |text: &str| {
            parse_inject(text).ok().map(|flag| {
                let InjectFlag { target, source } = flag;
                (target.host.to_string(), target.header.to_string(), source)
            })
        };
        let of =
            |host: &str, header: &str, source| Some((host.to_owned(), header.to_owned(), source));
        for (text, expected) in [
            (
                "Api.example.com:Authorization=@t",
                of(
                    "api.example.com",
                    "authorization",
                    SecretSource::File("t".into()),
                ),
            ),
            ("a.example:x=-", of("a.example", "x", SecretSource::Stdin)),
            (
                "a.example:x=b:c=d",
                of("a.example", "x", SecretSource::Given(Secret::new("b:c=d"))),
            ),
            ("a.example:x=", None),
            ("a.example:x", None),
            ("a.example=x", None),
            ("*.a.example:x=y", None),
            ("a.example:host=y", None),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        let printed = format!("{:?}", parse_inject("a.example:x=canary"));
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn what_is_removed_is_a_host_or_a_header_of_it() {
        let flag = |host: &str, header: Option<&str>| RemoveFlag {
            host: host.to_owned(),
            header: header.map(str::to_owned),
        };
        for (text, expected) in [
            ("A.example", Some(flag("a.example", None))),
            ("a.example:X", Some(flag("a.example", Some("x")))),
            ("a.example:", None),
            ("", None),
        ] {
            assert_eq!(parse_remove(text).ok(), expected, "{text}");
        }
    }
}
