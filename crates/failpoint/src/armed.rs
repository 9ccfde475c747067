//! What fires, when the feature is on.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::FIRED;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Delay(Duration),
    Refuse,
}

#[derive(Debug)]
struct Point {
    name: String,
    action: Action,
    at: u64,
    passed: AtomicU64,
}

#[derive(Debug, Default)]
struct Armed {
    points: Vec<Point>,
    clock: Option<PathBuf>,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Takes what [`VARIABLE`](crate::VARIABLE) says. Once, at the start of the process.
///
/// # Panics
/// It is not written as it has to be: a crash that never comes would look like one that was survived.
pub fn arm(text: impl FnOnce() -> Option<String>) {
    let armed = text().map(|text| parse(&text)).unwrap_or_default();
    assert!(ARMED.set(armed).is_ok(), "failure points are armed once");
}

/// The process comes to this place: it may be killed or stand still for a while.
pub fn pass(name: &'static str) {
    match fires(name) {
        Some(Action::Kill) => {
            eprintln!("{FIRED}{name} kill");
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
        Some(Action::Delay(time)) => {
            eprintln!("{FIRED}{name} delay");
            // The thread, not the task: as a disk that hangs.
            std::thread::sleep(time);
        }
        Some(Action::Refuse) | None => {}
    }
}

/// The process comes to this place; whether what it is about to do has to fail.
#[must_use]
pub fn refuses(name: &'static str) -> bool {
    let refuses = fires(name) == Some(Action::Refuse);
    if refuses {
        eprintln!("{FIRED}{name} refuse");
    }
    refuses
}

/// The process is about to write to the file; whether it has to fail. The line that tells of it ends with the file's path.
#[must_use]
pub fn refuses_to_write(name: &'static str, file: &File) -> bool {
    let refuses = fires(name) == Some(Action::Refuse);
    if refuses {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let path = path.unwrap_or_default();
        eprintln!("{FIRED}{name} refuse {}", path.display());
    }
    refuses
}

/// By how much the wall clock is wrong, in milliseconds: what the file named by `clock=` says now.
#[must_use]
pub fn clock_offset_ms() -> i64 {
    let clock = ARMED.get().and_then(|armed| armed.clock.as_deref());
    let text = clock.and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn fires(name: &str) -> Option<Action> {
    let point = ARMED
        .get()?
        .points
        .iter()
        .find(|point| point.name == name)?;
    let passed = point.passed.fetch_add(1, Ordering::SeqCst) + 1;
    (passed == point.at).then_some(point.action)
}

fn parse(text: &str) -> Armed {
    let mut armed = Armed::default();
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (name, what) = part.split_once('=').expect("NAME=WHAT");
        if name == "clock" {
            armed.clock = Some(what.into());
            continue;
        }
        let (action, at) = what.split_once('@').expect("WHAT@N");
        armed.points.push(Point {
            name: name.to_owned(),
            action: match action.split_once(':') {
                None if action == "kill" => Action::Kill,
                None if action == "refuse" => Action::Refuse,
                Some(("delay", ms)) => {
                    Action::Delay(Duration::from_millis(ms.parse().expect("milliseconds")))
                }
                Some(_) | None => panic!("kill, refuse or delay:MS, not {action}"),
            },
            at: at.parse().expect("a number"),
            passed: AtomicU64::new(0),
        });
    }
    armed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_the_clock_are_read() {
        let armed = parse("a.b=kill@3;c=delay:20@1;clock=/x/y;d=refuse@2");
        let points = armed.points.iter();
        let points: Vec<_> = points
            .map(|point| (point.name.as_str(), point.action, point.at))
            .collect();
        let delay = Action::Delay(Duration::from_millis(20));
        assert_eq!(
            points,
            [
                ("a.b", Action::Kill, 3),
                ("c", delay, 1),
                ("d", Action::Refuse, 2)
            ]
        );
        assert_eq!(armed.clock, Some("/x/y".into()));
    }

    #[test]
    fn a_point_fires_once() {
        arm(|| Some("here=refuse@2".to_owned()));
        let refused: Vec<_> = (0..4).map(|_| refuses("here")).collect();
        assert_eq!(refused, [false, true, false, false]);
        assert!(!refuses("elsewhere"));
    }
}
