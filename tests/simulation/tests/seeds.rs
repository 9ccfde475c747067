//! Seeds keep all promises, and a planted bug breaks one soon.

#![allow(
    clippy::print_stdout,
    reason = "which seed finds a bug is worth seeing"
)]

use std::time::Duration;

use outwork_simulation::mutant::Mutant;
use outwork_simulation::search::{Found, replay, report, search};

/// Only so that a test that hangs ends.
const LONG: Duration = Duration::from_secs(20 * 60);
/// What a minute is enough for, at the speed that is asked for.
const MINUTE: u64 = 1_000;

fn assert_kept(found: &Found) {
    if let Some(broken) = &found.broken {
        panic!("{}", report(broken, None));
    }
}

#[test]
fn seeds_keep_all_promises() {
    let found = search(0..150, None, 2, LONG);
    assert_kept(&found);
    assert_eq!(found.seeds, 150);
    let figures = found.figures;
    // Else nothing was tried.
    assert!(figures.lost > 100 && figures.refused > 100, "{figures:?}");
    assert!(figures.twice > 0, "{figures:?}");
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "which seed found what, for whoever runs it with --nocapture"
)]
fn planted_bugs_are_found_within_a_minute() {
    for mutant in Mutant::ALL {
        let found = search(0..MINUTE, Some(mutant), 2, LONG);
        let broken = found.broken;
        let broken = broken.unwrap_or_else(|| panic!("{mutant} was not found"));
        let violation = broken.violation.expect("it is broken");
        println!(
            "{mutant}: seed {} after {:?}, {violation}",
            broken.seed, found.took
        );
        // It is the bug that breaks it.
        assert_kept(&search(broken.seed..broken.seed + 1, None, 1, LONG));
    }
}

#[test]
fn a_seed_does_the_same_each_time() {
    for seed in [1, 2, 3] {
        let once = replay(seed, None).trace;
        let again = replay(seed, None).trace;
        assert!(once.len() > 100);
        for (one, other) in once.iter().zip(&again) {
            assert_eq!(one, other, "seed {seed}");
        }
        assert_eq!(once.len(), again.len());
    }
}

#[test]
fn a_report_says_what_broke_and_how_to_see_it_again() {
    let mutant = Some(Mutant::EpochReset);
    let broken = search(0..MINUTE, mutant, 2, LONG)
        .broken
        .expect("it is found at once");
    let text = report(&broken, mutant);
    let again = format!("--seed {} --trace --mutant epoch-reset", broken.seed);
    assert!(text.contains(&again), "{text}");
    assert!(
        text.contains("each claim raises the epoch by one"),
        "{text}"
    );
    assert!(text.contains("does acquire for"), "{text}");
}
