//! Which results merge: each pair, and then one after the other, by real merges all through.

use std::collections::HashMap;

use outwork_domain::merge_order::{Conflicts, EXACT, fewest_first, sets};
use outwork_git::{CommitId, GitError, Merged, Merges};

/// What was found out. Sides are told by their numbers.
pub(super) struct Found {
    /// Those that merge, in the order in which they do.
    pub(super) clean: Vec<usize>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) pairs: Vec<Pair>,
    /// Whether no larger set of them merges.
    pub(super) is_exact: bool,
}

/// A side that does not merge with `clean`.
pub(super) struct Conflict {
    pub(super) side: usize,
    pub(super) with: Vec<usize>,
    pub(super) paths: Vec<String>,
}

/// How two sides merge.
pub(super) struct Pair {
    pub(super) one: usize,
    pub(super) other: usize,
    /// The files that conflict; `None`: they merge.
    pub(super) paths: Option<Vec<String>>,
}

/// What sides come to on the base.
struct Bench<'a> {
    merges: &'a Merges,
    conflicts: Conflicts,
    /// What each set came to that was merged so far, in its order; `None`: a conflict.
    merged: HashMap<Vec<usize>, Option<CommitId>>,
}

pub(super) async fn find(merges: &Merges) -> Result<Found, GitError> {
    let count = merges.sides().len();
    let mut bench = Bench {
        merges,
        conflicts: Conflicts::default(),
        merged: HashMap::from([(Vec::new(), Some(merges.base().clone()))]),
    };
    let pairs = bench.pairs().await?;
    let is_exact = count <= EXACT;
    let mut clean = match is_exact {
        true => bench.largest(count).await?,
        false => Vec::new(),
    };
    // What git merges only in another order than that of the numbers; and all of it where there are too many to try each set.
    for side in fewest_first(count, &bench.conflicts) {
        if !clean.contains(&side) && bench.conflicts.fits(side, &clean) {
            clean.push(side);
            if bench.merge(&clean).await?.is_none() {
                clean.pop();
            }
        }
    }
    let mut conflicts = Vec::new();
    for side in (0..count).filter(|side| !clean.contains(side)) {
        conflicts.push(bench.conflict(side, &clean).await?);
    }
    Ok(Found {
        clean,
        conflicts,
        pairs,
        is_exact,
    })
}

impl Bench<'_> {
    /// Each on the base, and then each two of what came of that.
    async fn pairs(&mut self) -> Result<Vec<Pair>, GitError> {
        let count = self.merges.sides().len();
        let mut alone = Vec::with_capacity(count);
        for side in 0..count {
            match self.merge(&[side]).await? {
                Some(merged) => alone.push(merged),
                None => {
                    self.conflicts.add(side, side);
                    alone.push(self.merges.sides()[side].clone());
                }
            }
        }
        let mut pairs = Vec::new();
        for one in 0..count {
            for other in one + 1..count {
                let paths = match self.merges.merge(&alone[one], &alone[other]).await? {
                    Merged::Clean(merged) => {
                        if self.conflicts.fits(one, &[]) && self.conflicts.fits(other, &[]) {
                            self.merged.insert(vec![one, other], Some(merged));
                        }
                        None
                    }
                    Merged::Conflicts(paths) => {
                        self.conflicts.add(one, other);
                        Some(paths)
                    }
                };
                pairs.push(Pair { one, other, paths });
            }
        }
        Ok(pairs)
    }

    /// The largest set that merges, tried with git: three may conflict of which each two do not.
    async fn largest(&mut self, count: usize) -> Result<Vec<usize>, GitError> {
        for set in sets(count, &self.conflicts) {
            if self.merge(&set).await?.is_some() {
                return Ok(set);
            }
        }
        Ok(Vec::new())
    }

    /// What the sides come to, merged one after the other into the base; `None` if one conflicts.
    async fn merge(&mut self, sides: &[usize]) -> Result<Option<CommitId>, GitError> {
        let mut at = sides.len();
        while at > 0 && !self.merged.contains_key(&sides[..at]) {
            at -= 1;
        }
        let mut merged = self.merged.get(&sides[..at]).cloned().flatten();
        for end in at..sides.len() {
            let Some(before) = merged else {
                return Ok(None);
            };
            let next = self.merges.merge(&before, &self.merges.sides()[sides[end]]);
            merged = match next.await? {
                Merged::Clean(commit) => Some(commit),
                Merged::Conflicts(_) => None,
            };
            self.merged.insert(sides[..=end].to_vec(), merged.clone());
        }
        Ok(merged)
    }

    /// Why a side is not among those that merge.
    async fn conflict(&mut self, side: usize, clean: &[usize]) -> Result<Conflict, GitError> {
        let theirs = &self.merges.sides()[side];
        if self.conflicts.has(side, side) {
            let paths = match self.merges.merge(self.merges.base(), theirs).await? {
                Merged::Clean(_) => Vec::new(),
                Merged::Conflicts(paths) => paths,
            };
            let with = Vec::new();
            return Ok(Conflict { side, with, paths });
        }
        let all = self.merge(clean).await?;
        let all = all.unwrap_or_else(|| self.merges.base().clone());
        let paths = match self.merges.merge(&all, theirs).await? {
            Merged::Clean(_) => Vec::new(),
            Merged::Conflicts(paths) => paths,
        };
        let each = clean.iter().copied();
        let mut with: Vec<usize> = each.filter(|one| self.conflicts.has(side, *one)).collect();
        // With none of them alone, but with all.
        if with.is_empty() {
            with = clean.to_vec();
        }
        Ok(Conflict { side, with, paths })
    }
}
