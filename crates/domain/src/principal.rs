//! Who acts, and in which workspace. Every row names both from the start.

use std::collections::BTreeMap;

use crate::id::{PrincipalId, WorkerId, WorkspaceId};
use crate::labels::Labels;
use crate::time::Timestamp;

/// What kind of principal acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A worker: may use the worker API and nothing else.
    Worker,
    /// A script or another system.
    Integration,
}

impl PrincipalKind {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Worker => "worker",
            Self::Integration => "integration",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::User, Self::Worker, Self::Integration]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// What a member may do: each role may also do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Comments on results and approves them.
    Reviewer,
    /// Gives tasks, talks to agents, publishes, and says how environments run.
    Member,
    /// Says who is a member, and keeps credentials, the model and the workers.
    Admin,
}

impl Role {
    /// Every role, the one that may least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Reviewer, Self::Member, Self::Admin];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reviewer => "reviewer",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// A principal whose token was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// The tenant it belongs to; it sees nothing of another.
    pub workspace_id: WorkspaceId,
    /// What it is.
    pub kind: PrincipalKind,
    /// What people call it.
    pub name: String,
    /// What it may do as a member. It says nothing of a worker, which is none.
    pub role: Role,
    /// The only worker that it speaks for, when it was enrolled as one. `None`: any of the
    /// workspace, if it is of kind worker.
    pub worker_id: Option<WorkerId>,
}

/// A permit for those who have at least a role, and the check that alone can make it.
macro_rules! permit {
    ($(#[$doc:meta])* $permit:ident, $check:ident, $role:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $permit(Principal);

        impl $permit {
            /// Who it is.
            pub fn principal(&self) -> &Principal {
                &self.0
            }

            /// Its tenant.
            pub fn workspace_id(&self) -> WorkspaceId {
                self.0.workspace_id
            }
        }

        impl Principal {
            /// The permit, if the role suffices.
            pub fn $check(self) -> Result<$permit, NotAllowed> {
                self.at_least($role).map($permit)
            }
        }
    };
}

permit!(
    /// The right to read what the workspace has.
    Viewer, viewer, Role::Viewer
);
permit!(
    /// The right to comment and to approve.
    Reviewer, reviewer, Role::Reviewer
);
permit!(
    /// The right to give tasks and all that belongs to them.
    Member, member, Role::Member
);
permit!(
    /// The right to everything in the workspace.
    Admin, admin, Role::Admin
);

/// The right to use the worker API: made only by [`Principal::worker`].
#[derive(Clone, Debug)]
pub struct WorkerAccess(Principal);

/// The principal is of a kind that may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {} token cannot be used here; use a {needed} token", .kind.as_str())]
pub struct WrongKind {
    /// What the token is.
    pub kind: PrincipalKind,
    /// What it would have to be.
    pub needed: &'static str,
}

/// Why somebody may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Its kind.
    #[error(transparent)]
    WrongKind(#[from] WrongKind),
    /// Its role.
    #[error("this needs the role `{}`, and yours is `{}`", .needed.as_str(), .role.as_str())]
    Role {
        /// What it is.
        role: Role,
        /// What it would have to be at least.
        needed: Role,
    },
}

impl Principal {
    fn at_least(self, needed: Role) -> Result<Self, NotAllowed> {
        match self.kind {
            PrincipalKind::User | PrincipalKind::Integration => {}
            PrincipalKind::Worker => {
                let kind = self.kind;
                let needed = "user";
                return Err(WrongKind { kind, needed }.into());
            }
        }
        match self.role {
            role if role >= needed => Ok(self),
            role => Err(NotAllowed::Role { role, needed }),
        }
    }

    /// The permit to use the worker API.
    pub fn worker(self) -> Result<WorkerAccess, WrongKind> {
        match self.kind {
            PrincipalKind::Worker => Ok(WorkerAccess(self)),
            PrincipalKind::User | PrincipalKind::Integration => Err(WrongKind {
                kind: self.kind,
                needed: "worker",
            }),
        }
    }
}

impl WorkerAccess {
    /// Who it is.
    pub fn principal(&self) -> &Principal {
        &self.0
    }

    /// Its tenant: a worker runs tasks of its own workspace only.
    pub fn workspace_id(&self) -> WorkspaceId {
        self.0.workspace_id
    }

    /// The only worker that it speaks for; `None`: any of the workspace.
    pub fn only(&self) -> Option<WorkerId> {
        self.0.worker_id
    }
}

/// A worker as it registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its id, kept over restarts of the worker.
    pub id: WorkerId,
    /// The tenant whose tasks it runs.
    pub workspace_id: WorkspaceId,
    /// What people call it: the host name unless told otherwise.
    pub name: String,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// The agents it has installed.
    pub agents: Vec<String>,
    /// How it isolates attempts: `namespaces`, `oci:crun` and the like. `None` for one that
    /// registered before workers said so; it has to register anew before it is given an attempt.
    pub isolation: Option<String>,
    /// What it says of itself.
    pub labels: Labels,
    /// What it speaks and runs.
    pub versions: WorkerVersions,
}

/// What a worker speaks and runs, as it said when it registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerVersions {
    /// Of the worker protocol; 0 for one that registered before that was kept.
    pub protocol: u32,
    /// Of its program.
    pub program: Option<String>,
    /// Of its agents, by name.
    pub agents: BTreeMap<String, String>,
}

/// Whether a worker is wanted to take work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerDesired {
    /// It is.
    #[default]
    Run,
    /// It takes nothing more.
    Drain,
    /// It takes nothing more, and is forgotten when it holds nothing.
    Retire,
}

impl WorkerDesired {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Drain => "drain",
            Self::Retire => "retire",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Run, Self::Drain, Self::Retire]
            .into_iter()
            .find(|desired| desired.as_str() == name)
    }
}

/// What operators want of a worker; kept for its id, also while it is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerOrders {
    /// Whether it is to take work.
    pub desired: WorkerDesired,
    /// When what it still runs is given back; `None`: it may run to its end.
    pub deadline_at: Option<Timestamp>,
    /// How many attempts it runs at once; `None`: as many as it says.
    pub slots: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn somebody(kind: PrincipalKind, role: Role) -> Principal {
        Principal {
            id: PrincipalId::from_uuid(Uuid::nil()),
            workspace_id: WorkspaceId::from_uuid(Uuid::nil()),
            kind,
            name: "ada".to_owned(),
            role,
            worker_id: None,
        }
    }

    #[test]
    fn a_role_may_what_those_below_it_may_and_no_more() {
        for (rank, role) in Role::ALL.into_iter().enumerate() {
            let ada = somebody(PrincipalKind::User, role);
            let may = [
                ada.clone().viewer().is_ok(),
                ada.clone().reviewer().is_ok(),
                ada.clone().member().is_ok(),
                ada.admin().is_ok(),
            ];
            let expected: Vec<bool> = (0..4).map(|needed| needed <= rank).collect();
            assert_eq!(may.to_vec(), expected, "{role:?}");
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        let refused = somebody(PrincipalKind::User, Role::Reviewer).member();
        assert_eq!(
            refused.expect_err("too little").to_string(),
            "this needs the role `member`, and yours is `reviewer`"
        );
    }

    #[test]
    fn a_worker_is_no_member_whatever_its_role() {
        let worker = somebody(PrincipalKind::Worker, Role::Admin);
        assert!(worker.clone().viewer().is_err());
        assert!(worker.worker().is_ok());
        let user = somebody(PrincipalKind::User, Role::Admin);
        assert!(user.worker().is_err());
    }
}
