//! Limits of a sandbox, in words.

use outwork_domain::{Failure, FailureCode};
use outwork_sandbox::{LimitHit, LimitKind};

/// The name of a limit in the log.
pub(super) fn name(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Memory => "memory",
        LimitKind::Processes => "processes",
        LimitKind::DiskBytes | LimitKind::DiskFiles => "disk",
    }
}

/// `Out of memory at 2.0 GiB in `npm test`.` The agent's own word for what ran says more than the name of the process.
pub(super) fn sentence(hit: &LimitHit, running: Option<&str>) -> String {
    let LimitHit {
        kind,
        limit,
        command,
        consequence: _,
    } = hit;
    let what = match kind {
        LimitKind::Memory => format!("Out of memory at {}", bytes(*limit)),
        LimitKind::Processes => format!("No more than {limit} processes and threads at once"),
        LimitKind::DiskBytes => format!("No more than {} may be written", bytes(*limit)),
        LimitKind::DiskFiles => format!("No more than {limit} files may be made"),
    };
    match running.or(command.as_deref()) {
        Some(running) => format!("{what} in `{running}`."),
        None => format!("{what}."),
    }
}

/// For an attempt that ended by it.
pub(super) fn failure(hit: &LimitHit, running: Option<&str>) -> Failure {
    let (code, option) = match hit.kind {
        LimitKind::Memory => (FailureCode::OutOfMemory, Some("--memory")),
        LimitKind::Processes => (FailureCode::ProcessLimit, Some("--processes")),
        LimitKind::DiskBytes => (FailureCode::DiskLimit, Some("--disk")),
        LimitKind::DiskFiles => (FailureCode::DiskLimit, None),
    };
    let hint = match option {
        Some(option) => format!(
            "Raise the limit with `outwork env edit LABEL {option} …`, or ask for less at once. What was done until then is in the diff."
        ),
        None => {
            "Ask for less at once. What was done until then is in the diff, unless it is too much for one.".to_owned()
        }
    };
    Failure::new(code, sentence(hit, running)).with_hint(hint)
}

/// In the unit that people would choose, with one decimal.
fn bytes(count: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in UNITS {
        if count >> shift > 0 {
            let tenths = (u128::from(count) * 10) >> shift;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} bytes")
}

#[cfg(test)]
mod tests {
    use outwork_sandbox::Consequence;

    use super::*;

    #[test]
    fn a_limit_is_told_with_what_ran() {
        let mut hit = LimitHit {
            kind: LimitKind::Memory,
            limit: 2 << 30,
            command: Some("node".to_owned()),
            consequence: Consequence::ProcessKilled,
        };
        assert_eq!(
            sentence(&hit, Some("npm test")),
            "Out of memory at 2.0 GiB in `npm test`."
        );
        assert_eq!(sentence(&hit, None), "Out of memory at 2.0 GiB in `node`.");
        hit.command = None;
        hit.kind = LimitKind::DiskBytes;
        hit.limit = 1536 << 10;
        assert_eq!(sentence(&hit, None), "No more than 1.5 MiB may be written.");
        assert_eq!(failure(&hit, None).code, FailureCode::DiskLimit);
        assert_eq!(bytes(1000), "1000 bytes");
    }
}
