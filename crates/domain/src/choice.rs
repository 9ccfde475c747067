//! Which attempt stands for a turn: whose diff is shown, applied, gone on from and published.

use crate::id::PrincipalId;
use crate::time::Timestamp;

/// The attempt that a person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its number within the turn.
    pub attempt: u32,
    /// Who chose it.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// An attempt of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its number within the turn.
    pub number: u32,
    /// Whether its agent finished its turn.
    pub has_succeeded: bool,
    /// Whether it has a diff.
    pub has_diff: bool,
}

/// The number of the attempt that stands for a turn: the one that a person chose, else the one that the
/// ranking leads with ([`Ranking::leading`](crate::ranking::Ranking::leading)), else the lowest-numbered that succeeded, else the lowest-numbered that has a diff.
pub fn shown(chosen: Option<u32>, leading: Option<u32>, attempts: &[Standing]) -> Option<u32> {
    let there = |number: &u32| attempts.iter().any(|it| it.number == *number);
    let first = |is: fn(&Standing) -> bool| {
        let fitting = attempts.iter().filter(|it| is(it));
        fitting.map(|it| it.number).min()
    };
    chosen
        .filter(there)
        .or(leading.filter(there))
        .or_else(|| first(|it| it.has_succeeded))
        .or_else(|| first(|it| it.has_diff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_comes_before_the_ranking_and_that_before_the_numbers() {
        let attempt = |number, has_succeeded, has_diff| Standing {
            number,
            has_succeeded,
            has_diff,
        };
        let all = [
            attempt(1, false, true),
            attempt(2, true, true),
            attempt(3, true, false),
        ];
        assert_eq!(shown(Some(1), Some(3), &all), Some(1));
        assert_eq!(
            shown(Some(9), Some(3), &all),
            Some(3),
            "there is no such attempt"
        );
        assert_eq!(shown(None, None, &all), Some(2));
        assert_eq!(shown(None, None, &all[..1]), Some(1));
        assert_eq!(shown(None, None, &[attempt(1, false, false)]), None);
        assert_eq!(shown(None, None, &[]), None);
    }
}
