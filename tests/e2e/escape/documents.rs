//! The page about the suite: its table is made of the probes' headers.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::suite;

const BEGIN: &str = "<!-- The table is made of the probes' headers. -->\n";

/// With `UPDATE_ESCAPE_TABLE=1` the table is written instead of compared.
#[test]
fn the_page_has_every_probe() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/escape-suite.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let (before, _) = page
        .split_once(BEGIN)
        .expect("the page has a place for the table");
    let right = format!("{before}{BEGIN}\n{}", table());
    if std::env::var_os("UPDATE_ESCAPE_TABLE").is_some() {
        fs::write(path, right).expect("written");
        return;
    }
    assert!(
        page == right,
        "docs/escape-suite.md is out of date: run `UPDATE_ESCAPE_TABLE=1 cargo test -p outwork --test e2e escape::documents` and commit it"
    );
}

fn table() -> String {
    let mut table = String::from("| probe | tries | must observe |\n| --- | --- | --- |\n");
    for (name, probe) in suite::probes() {
        let alone = probe
            .alone
            .map(|why| format!(" (alone: {why})"))
            .unwrap_or_default();
        writeln!(
            table,
            "| `{name}` | {} | {}{alone} |",
            probe.tries, probe.must_observe
        )
        .expect("memory");
    }
    table
}
