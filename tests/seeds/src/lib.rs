//! The seeds of the fuzz targets (`fuzz/seeds`), and what small changes make of them, for tests that need no fuzzer.
//!
//! The changes are the same every time: a test that fails here fails everywhere.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Changed copies of each seed.
const CHANGED: usize = 300;

/// Calls `check` with each seed of a target and with changed copies of it. Where it panics, the bytes are printed.
///
/// # Panics
/// As `check` does, and if the target has no seeds.
pub fn each(target: &str, mut check: impl FnMut(&[u8])) {
    let seeds = seeds_of(target);
    assert!(!seeds.is_empty(), "fuzz/seeds/{target} is empty");
    let mut dice = Dice(2_147_483_647);
    for (number, seed) in seeds.iter().enumerate() {
        tried(seed, &mut check);
        for _ in 0..CHANGED {
            let other = &seeds[dice.below(seeds.len())];
            tried(&dice.changed(seed, other), &mut check);
        }
        // Every seed begins its own series, so that a new one does not change those of the others.
        dice = Dice(number as u64 + 1);
    }
}

fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let entries = std::fs::read_dir(directory.join(target)).expect("the seeds of this target");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("a seed");
    paths.iter().map(read).collect()
}

fn tried(bytes: &[u8], check: &mut impl FnMut(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        eprintln!("with the bytes \"{}\"", bytes.escape_ascii());
        resume_unwind(panic);
    }
}

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit.max(1)
    }

    /// A few of: a byte changed, some bytes gone, doubled, or taken from another seed, and the end cut off.
    fn changed(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        const TELLING: &[u8] = b"\0\n\r\t \"'\\/.:*-[]{}\x1b\x7f\x80\xff09az";
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(24)).min(bytes.len());
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let doubled = bytes[at..end].to_vec();
                    bytes.splice(at..at, doubled);
                }
                4 => {
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}
