//! The flags of `env create` and `env edit` that say what sandboxes may use.

use clap::Args;
use outwork_api::network::Resources;

use crate::size;

/// What sandboxes may use.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Limits of its sandboxes")]
pub struct ResourceFlags {
    /// Memory, such as 512M or 2G; `default` for the worker's own limit
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<Wish>,
    /// Processors, such as 2 or 0.5; `default` for the worker's own limit
    #[arg(long, value_name = "N", value_parser = parse_cpus)]
    pub cpus: Option<Wish>,
    /// Processes and threads at once (--pids is the same); `default` for the worker's own limit
    #[arg(long, alias = "pids", value_name = "N", value_parser = parse_number)]
    pub processes: Option<Wish>,
    /// What may be written to the disk, such as 10G; `default` for the worker's own limit
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub disk: Option<Wish>,
    /// Open files of one process; `default` for the worker's own limit
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub open_files: Option<Wish>,
    /// Tokens that an attempt may use, input and output together; `none` for no limit
    #[arg(long, value_name = "N", value_parser = parse_tokens)]
    pub max_tokens: Option<Wish>,
    /// Let the agent make namespaces of its own, as browsers and container tools want; more of the
    /// kernel can then be attacked
    #[arg(long)]
    pub nested_namespaces: bool,
}

/// A limit to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing of the environment's own.
    Default,
    /// This one.
    Limit(u64),
}

impl Wish {
    fn limit(self) -> Option<u64> {
        match self {
            Self::Default => None,
            Self::Limit(limit) => Some(limit),
        }
    }
}

impl ResourceFlags {
    /// All limits, if the flags change one of `current`.
    pub(crate) fn resources(&self, current: &Resources) -> Option<Resources> {
        let Self {
            memory,
            cpus,
            processes,
            disk,
            open_files,
            max_tokens: _,
            nested_namespaces: _,
        } = *self;
        let all = [memory, cpus, processes, disk, open_files];
        if all.iter().all(Option::is_none) {
            return None;
        }
        let chosen = |wish: Option<Wish>, current| wish.map_or(current, Wish::limit);
        Some(Resources {
            memory_bytes: chosen(memory, current.memory_bytes),
            cpu_millis: chosen(cpus, current.cpu_millis),
            processes: chosen(processes, current.processes),
            disk_bytes: chosen(disk, current.disk_bytes),
            open_files: chosen(open_files, current.open_files),
        })
    }

    /// The budget of a new environment.
    pub(crate) fn budget(&self) -> Option<u64> {
        self.max_tokens.and_then(Wish::limit)
    }

    /// The budget as a change of an environment says it.
    pub(super) fn changed_budget(&self) -> Option<u64> {
        let zero_for_none = |wish: Wish| wish.limit().unwrap_or(0);
        self.max_tokens.map(zero_for_none)
    }
}

fn parse_size(text: &str) -> Result<Wish, String> {
    if text == "default" {
        return Ok(Wish::Default);
    }
    match size::parse(text) {
        Some(bytes) => Ok(Wish::Limit(bytes)),
        None => Err("write it as 512M, 2G or 1.5GiB; or `default`".to_owned()),
    }
}

fn parse_number(text: &str) -> Result<Wish, String> {
    match (text, text.parse()) {
        ("default", _) => Ok(Wish::Default),
        (_, Ok(number)) if number > 0 => Ok(Wish::Limit(number)),
        (_, Ok(_) | Err(_)) => Err("give a number, 1 or more; or `default`".to_owned()),
    }
}

fn parse_tokens(text: &str) -> Result<Wish, String> {
    match (text, text.parse()) {
        ("none", _) => Ok(Wish::Default),
        (_, Ok(number)) if number > 0 => Ok(Wish::Limit(number)),
        (_, Ok(_) | Err(_)) => Err("give a number, 1 or more; or `none`".to_owned()),
    }
}

/// Processors to thousandths of one.
fn parse_cpus(text: &str) -> Result<Wish, String> {
    if text == "default" {
        return Ok(Wish::Default);
    }
    match size::scaled(text, 1000) {
        Some(millis) if millis > 0 => Ok(Wish::Limit(millis)),
        Some(_) | None => Err("write it as 2 or 0.5; or `default`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        use Wish::{Default, Limit};
        assert_eq!(parse_size("512M"), Ok(Limit(512 << 20)));
        assert_eq!(parse_size("default"), Ok(Default));
        assert!(parse_size("0").is_err() && parse_size("2 X").is_err());
        assert_eq!(parse_cpus("0.5"), Ok(Limit(500)));
        assert_eq!(parse_cpus("2"), Ok(Limit(2000)));
        assert!(parse_cpus("0").is_err() && parse_cpus("-1").is_err());
        assert_eq!(parse_number("64"), Ok(Limit(64)));
        assert!(parse_number("0").is_err() && parse_number("none").is_err());
        assert_eq!(parse_tokens("none"), Ok(Default));
        assert_eq!(parse_tokens("100000"), Ok(Limit(100_000)));
        assert!(parse_tokens("1e5").is_err());
    }

    #[test]
    fn what_is_not_given_stays() {
        let current = Resources {
            memory_bytes: Some(1),
            processes: Some(2),
            ..Resources::default()
        };
        assert_eq!(ResourceFlags::default().resources(&current), None);
        let flags = ResourceFlags {
            memory: Some(Wish::Default),
            cpus: Some(Wish::Limit(1500)),
            ..ResourceFlags::default()
        };
        let expected = Resources {
            cpu_millis: Some(1500),
            processes: Some(2),
            ..Resources::default()
        };
        assert_eq!(flags.resources(&current), Some(expected));
        let budget = |max_tokens| ResourceFlags {
            max_tokens,
            ..flags
        };
        assert_eq!(budget(Some(Wish::Default)).changed_budget(), Some(0));
        assert_eq!(budget(Some(Wish::Default)).budget(), None);
        assert_eq!(budget(Some(Wish::Limit(9))).changed_budget(), Some(9));
        assert_eq!(budget(None).changed_budget(), None);
    }
}
