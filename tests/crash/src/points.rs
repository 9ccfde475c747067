//! The failure points of the binary, and which of them is armed next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::random::Random;

/// Which process comes to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Worker,
}

/// A failure point.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// It fires at one of its first so many passes.
    passes: u64,
    /// Whether it stands for a refusal, not for a death or a delay.
    refuses: bool,
}

const fn server(name: &'static str, passes: u64) -> Point {
    Point {
        name,
        role: Role::Server,
        passes,
        refuses: false,
    }
}

const fn worker(name: &'static str, passes: u64) -> Point {
    Point {
        name,
        role: Role::Worker,
        passes,
        refuses: false,
    }
}

const fn refusing(point: Point) -> Point {
    Point {
        refuses: true,
        ..point
    }
}

/// All of them; docs/crash-suite.md says what each is.
pub(crate) const POINTS: [Point; 36] = [
    server("server.submit.stored", 4),
    server("server.follow_up.stored", 1),
    server("server.cancel.stored", 1),
    server("server.acquire.claimed", 6),
    server("server.step.after", 20),
    server("server.append.before", 40),
    server("server.append.after", 40),
    server("server.heartbeat.after", 10),
    server("server.upload.before", 8),
    server("server.upload.after", 8),
    server("server.finish.before", 8),
    server("server.finish.after", 8),
    server("store.commit.before", 100),
    server("store.commit.after", 100),
    refusing(server("store.commit.refused", 60)),
    server("store.object.before", 8),
    server("store.object.after", 8),
    worker("worker.acquired", 3),
    worker("worker.directory.made", 4),
    worker("worker.heartbeat.before", 12),
    worker("worker.sandbox.started", 4),
    worker("worker.outbox.written", 60),
    refusing(worker("worker.outbox.refused", 60)),
    worker("worker.step.before", 8),
    worker("worker.step.after", 8),
    worker("worker.append.before", 12),
    worker("worker.append.after", 12),
    worker("worker.diff.before", 4),
    worker("worker.diff.computed", 4),
    worker("worker.result.kept", 4),
    worker("worker.upload.before", 4),
    worker("worker.upload.after", 4),
    worker("worker.finish.noted", 4),
    worker("worker.finish.before", 4),
    worker("worker.finish.after", 4),
    worker("worker.remove.before", 4),
];

/// Deals the points out, those first that fired least.
pub(crate) struct Dealer {
    random: Mutex<Random>,
    fired: Mutex<HashMap<String, u64>>,
}

impl Dealer {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random: Mutex::new(random),
            fired: Mutex::default(),
        }
    }

    pub(crate) fn fired(&self, name: &str) {
        let mut fired = self.fired.lock().unwrap_or_else(PoisonError::into_inner);
        *fired.entry(name.to_owned()).or_default() += 1;
    }

    /// What a process of that role is started with.
    pub(crate) fn deal(&self, role: Role) -> String {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let fired = self.fired.lock().unwrap_or_else(PoisonError::into_inner);
        let times = |point: &&Point| fired.get(point.name).copied().unwrap_or(0);
        let candidates = POINTS.iter().filter(|point| point.role == role);
        let least = candidates.clone().map(|point| times(&point)).min();
        let candidates: Vec<_> = candidates
            .filter(|point| Some(times(point)) == least)
            .collect();
        let point = random.pick(&candidates);
        let at = random.between(1, point.passes);
        let what = match point.refuses {
            true => "refuse".to_owned(),
            false if random.percent(20) => format!("delay:{}", random.between(500, 9000)),
            false => "kill".to_owned(),
        };
        format!("{}={what}@{at}", point.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What stands between `before` and `after` in each of their places in the text.
    fn between(text: &str, before: &str, after: char) -> Vec<String> {
        let parts = text.split(before).skip(1);
        parts
            .filter_map(|part| part.split_once(after))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    fn in_sources(dir: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                in_sources(&path, names);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                names.extend(between(&text, "failpoint::pass(\"", '"'));
                names.extend(between(&text, "failpoint::refuses(\"", '"'));
                names.extend(between(&text, "failpoint::refuses_to_write(\"", '"'));
                // Those of the delivery are named by what is sent.
                if path.ends_with("outbox/delivery.rs") {
                    names.extend(
                        between(&text, "=> \"worker.", '"')
                            .iter()
                            .map(|name| format!("worker.{name}")),
                    );
                }
            }
        }
    }

    #[test]
    fn the_list_the_code_and_the_page_have_the_same_points() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let listed: BTreeSet<_> = POINTS.iter().map(|point| point.name.to_owned()).collect();
        assert_eq!(listed.len(), POINTS.len());
        let mut coded = BTreeSet::new();
        for part in ["store", "server", "worker"] {
            in_sources(&root.join("crates").join(part).join("src"), &mut coded);
        }
        assert_eq!(listed, coded);
        let page = fs::read_to_string(root.join("docs/crash-suite.md")).expect("the page");
        let (_, table) = page.split_once("\n| point | where |").expect("the table");
        let told: BTreeSet<_> = between(table, "\n| `", '`').into_iter().collect();
        assert_eq!(listed, told);
    }

    #[test]
    fn points_that_fired_least_come_first() {
        let dealer = Dealer::new(Random::new(1));
        let mut dealt = BTreeSet::new();
        for _ in 0..POINTS.len() {
            let text = dealer.deal(Role::Worker);
            let name = text.split('=').next().expect("a name").to_owned();
            dealer.fired(&name);
            dealt.insert(name);
        }
        let workers = POINTS.iter().filter(|point| point.role == Role::Worker);
        assert_eq!(dealt.len(), workers.count());
    }
}
