//! Whether a result may leave: who has to say yes, and who did.

use crate::id::PrincipalId;
use crate::time::Timestamp;

/// The most that an environment can ask for.
pub const MOST: u32 = 2;

/// What somebody says of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may leave.
    Approve,
    /// It may not, until this is withdrawn.
    Reject,
}

impl Verdict {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    /// The verdict of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Approve, Self::Reject]
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
    }
}

/// What one person says of one attempt's diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Who.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub verdict: Verdict,
    /// Why, in their words.
    pub text: Option<String>,
    /// Whether they may still say so: a person who is a member, with a role that approves.
    pub counts: bool,
}

/// How a result stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has to say yes.
    NotNeeded,
    /// Somebody has to, yet.
    Waiting,
    /// As many as are needed said yes.
    Approved,
    /// Somebody said no.
    Rejected,
}

impl Approval {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// Whether the result may leave.
    pub const fn lets_pass(self) -> bool {
        match self {
            Self::NotNeeded | Self::Approved => true,
            Self::Waiting | Self::Rejected => false,
        }
    }
}

/// How a result stands of which that was said, `needed` people having to say yes. Whoever asked for it (`requesters`) is none of them; but a
/// no is a no, whoever says it.
pub fn judge(needed: u32, requesters: &[PrincipalId], given: &[Given]) -> Approval {
    let mut counted = given.iter().filter(|one| one.counts);
    if counted.any(|one| one.verdict == Verdict::Reject) {
        return Approval::Rejected;
    }
    if needed == 0 {
        return Approval::NotNeeded;
    }
    match u32::try_from(approvals(requesters, given).count()) {
        Ok(yes) if yes < needed => Approval::Waiting,
        Ok(_) | Err(_) => Approval::Approved,
    }
}

/// The approvals that count, one of each person.
pub fn approvals<'a>(
    requesters: &'a [PrincipalId],
    given: &'a [Given],
) -> impl Iterator<Item = &'a Given> {
    given.iter().enumerate().filter_map(move |(at, one)| {
        let is_first = given[..at].iter().all(|before| before.by != one.by);
        let is_approval = one.verdict == Verdict::Approve && one.counts;
        (is_approval && is_first && !requesters.contains(&one.by)).then_some(one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn who(number: u128) -> PrincipalId {
        PrincipalId::from_uuid(Uuid::from_u128(number))
    }

    fn given(number: u128, verdict: Verdict) -> Given {
        Given {
            by: who(number),
            at: Timestamp::from_millis(0),
            verdict,
            text: None,
            counts: true,
        }
    }

    #[test]
    fn others_have_to_say_yes_and_nobody_no() {
        use Approval::{Approved, NotNeeded, Rejected, Waiting};
        use Verdict::{Approve, Reject};
        let asked = [who(1), who(2)];
        let gone = Given {
            counts: false,
            ..given(4, Approve)
        };
        let gone_no = Given {
            counts: false,
            ..given(4, Reject)
        };
        let cases: [(u32, Vec<Given>, Approval); 13] = [
            (0, vec![], NotNeeded),
            (0, vec![given(1, Reject)], Rejected),
            (1, vec![], Waiting),
            (1, vec![given(3, Approve)], Approved),
            (1, vec![given(1, Approve), given(2, Approve)], Waiting),
            (1, vec![gone], Waiting),
            (1, vec![given(3, Approve), gone_no], Approved),
            (2, vec![given(3, Approve)], Waiting),
            (2, vec![given(3, Approve), given(3, Approve)], Waiting),
            (2, vec![given(3, Approve), given(1, Approve)], Waiting),
            (2, vec![given(3, Approve), given(4, Approve)], Approved),
            (1, vec![given(3, Approve), given(4, Reject)], Rejected),
            (1, vec![given(3, Approve), given(1, Reject)], Rejected),
        ];
        for (needed, given, expected) in cases {
            assert_eq!(
                judge(needed, &asked, &given),
                expected,
                "{needed} {given:?}"
            );
        }
    }
}
