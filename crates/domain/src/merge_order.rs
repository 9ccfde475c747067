//! In which order results merge: which sets of them to try, and what comes after what. Whether two merge, git says.

use std::collections::BTreeSet;

/// Up to so many results the largest set that merges is looked for; above, one is made by taking the one with the fewest conflicts next.
pub const EXACT: usize = 8;
/// The most results that are merged at once.
pub const MOST: usize = 20;

/// Which results conflict, each pair with the smaller number first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflicts(BTreeSet<(usize, usize)>);

impl Conflicts {
    /// Notes that two conflict, or one with what all start from, which is written as with itself.
    pub fn add(&mut self, one: usize, other: usize) {
        self.0.insert((one.min(other), one.max(other)));
    }

    /// Whether they do.
    pub fn has(&self, one: usize, other: usize) -> bool {
        self.0.contains(&(one.min(other), one.max(other)))
    }

    /// With how many others it does.
    fn count(&self, one: usize) -> usize {
        let others = self.0.iter();
        others.filter(|(a, b)| *a == one || *b == one).count()
    }

    /// Whether it merges alone and with each of those.
    pub fn fits(&self, one: usize, others: &[usize]) -> bool {
        !self.has(one, one) && !others.iter().any(|other| self.has(one, *other))
    }
}

/// The sets of `count` results, at most [`EXACT`], in which no two conflict: the largest first, and of those of the same size that which has
/// the earlier ones. Each is in the order of the numbers. The last one is empty.
pub fn sets(count: usize, conflicts: &Conflicts) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for next in 0..count.min(EXACT) {
        for at in 0..sets.len() {
            if conflicts.fits(next, &sets[at]) {
                let mut more = sets[at].clone();
                more.push(next);
                sets.push(more);
            }
        }
    }
    sets.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
    sets
}

/// All of `count` results, those first that conflict with the fewest others.
pub fn fewest_first(count: usize, conflicts: &Conflicts) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|one| (conflicts.count(*one), *one));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflicts(pairs: &[(usize, usize)]) -> Conflicts {
        let mut conflicts = Conflicts::default();
        for (one, other) in pairs {
            conflicts.add(*other, *one);
        }
        conflicts
    }

    #[test]
    fn the_largest_set_comes_first() {
        let none = conflicts(&[]);
        assert_eq!(sets(3, &none)[0], [0, 1, 2]);
        let star = conflicts(&[(0, 1), (1, 2), (1, 3)]);
        assert_eq!(sets(4, &star)[0], [0, 2, 3]);
        let chain = conflicts(&[(0, 1), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(sets(5, &chain)[0], [0, 2, 4]);
        // The first stands in the way of all the others.
        let first = conflicts(&[(0, 1), (0, 2), (0, 3)]);
        assert_eq!(sets(4, &first)[0], [1, 2, 3]);
        // One that does not merge with what all start from is in none.
        let alone = conflicts(&[(1, 1)]);
        assert_eq!(sets(3, &alone)[0], [0, 2]);
        assert!(sets(3, &alone).iter().all(|set| !set.contains(&1)));
        assert_eq!(sets(3, &alone).last(), Some(&Vec::new()));
    }

    #[test]
    fn sets_are_all_there_once_and_in_order() {
        let all = sets(EXACT, &conflicts(&[]));
        assert_eq!(all.len(), 256);
        assert!(all.is_sorted_by(
            |one, other| one.len() > other.len() || (one.len() == other.len() && one < other)
        ));
    }

    #[test]
    fn who_conflicts_least_comes_first() {
        let star = conflicts(&[(0, 1), (0, 2), (1, 2), (0, 3)]);
        assert_eq!(fewest_first(5, &star), [4, 3, 1, 2, 0]);
        assert!(star.fits(4, &[0, 1]));
        assert!(!star.fits(3, &[4, 0]));
    }
}
