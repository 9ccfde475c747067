//! Each check names a section of the document, and no two have one name.

use std::collections::BTreeSet;

use outwork_conformance::{server, worker};

const DOCUMENT: &str = include_str!("../../../docs/worker-protocol.md");

#[test]
fn each_check_names_a_section() {
    let headings: BTreeSet<&str> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let of_workers = worker::checks()
        .into_iter()
        .map(|check| (check.id, check.section));
    let of_servers = server::checks()
        .into_iter()
        .map(|check| (check.id, check.section));
    let mut seen = BTreeSet::new();
    for (id, section) in of_workers.chain(of_servers) {
        assert!(headings.contains(section), "`{id}` names {section:?}");
        assert!(seen.insert(id), "two checks are called `{id}`");
    }
    assert!(seen.len() > 100, "{} checks", seen.len());
}
