//! What a Makefile offers where nothing else is known.

use super::folder::Folder;
use super::{Guess, part};

const FILES: [&str; 3] = ["GNUmakefile", "Makefile", "makefile"];

/// Fills the gaps from the Makefile at the top; names its targets where there is no gap.
pub(super) fn complete(guess: &mut Guess, top: &Folder<'_>) {
    let Some(file) = top.first(&FILES) else {
        return;
    };
    let text = top.read(file).unwrap_or_default();
    let has = |target: &str| text.lines().any(|line| makes(line, target));
    if has("setup") {
        let setup = part("make setup", format!("the target setup in {file}"));
        match guess.setup.is_empty() {
            true => guess.setup.push(setup),
            false => guess
                .notes
                .push(format!("{file} has a target setup, which is not used")),
        }
    }
    let Some(target) = ["test", "check"].into_iter().find(|target| has(target)) else {
        return;
    };
    let verify = part(
        format!("make {target}"),
        format!("the target {target} in {file}"),
    );
    match guess.verify.is_empty() {
        true => guess.verify.push(verify),
        false => guess.notes.push(format!(
            "{file} has a target {target}, too: --verify 'make {target}'"
        )),
    }
}

/// Whether the line is the rule for `target`: `test check: deps`, not `test := x`.
fn makes(line: &str, target: &str) -> bool {
    let Some((targets, rest)) = line.split_once(':') else {
        return false;
    };
    let is_rule = !line.starts_with([' ', '\t', '#']) && !rest.starts_with('=');
    let is_assigned = rest.starts_with(":=");
    is_rule && !is_assigned && targets.split_whitespace().any(|one| one == target)
}
