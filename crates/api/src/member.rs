//! The members of a workspace, and their tokens.

use outwork_domain::principal::{PrincipalKind, Role as DomainRole};
use outwork_domain::scope::Scope as DomainScope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::time::Time;

/// What a member may do: each role may also do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
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

impl From<Role> for DomainRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Reviewer => Self::Reviewer,
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<DomainRole> for Role {
    fn from(role: DomainRole) -> Self {
        match role {
            DomainRole::Viewer => Self::Viewer,
            DomainRole::Reviewer => Self::Reviewer,
            DomainRole::Member => Self::Member,
            DomainRole::Admin => Self::Admin,
        }
    }
}

/// What a member is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberKind {
    /// A person.
    #[default]
    User,
    /// A script or another system.
    Integration,
}

impl From<MemberKind> for PrincipalKind {
    fn from(kind: MemberKind) -> Self {
        match kind {
            MemberKind::User => Self::User,
            MemberKind::Integration => Self::Integration,
        }
    }
}

/// Somebody who did something, whether or not still a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// `prn_…`.
    pub id: String,
    /// What people call it now.
    pub name: String,
}

/// A member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// `prn_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `user` or `integration`.
    pub kind: String,
    /// What it may do; a newer server may name others.
    #[schema(value_type = Role)]
    pub role: String,
    /// Since when it is one.
    pub created_at: Time,
}

/// A member to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// What people call it; no other member is called so.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it is; a person when left out.
    #[serde(default)]
    pub kind: MemberKind,
}

/// A change of a member; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// What it may do from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What people call it from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
}

/// What a token may at most, besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing.
    Read,
    /// Comment and approve.
    Review,
    /// Give tasks and all that belongs to them.
    Tasks,
    /// Publish results.
    Publish,
    /// Say how environments run.
    Settings,
    /// Everything.
    Admin,
}

impl From<Scope> for DomainScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Review => Self::Review,
            Scope::Tasks => Self::Tasks,
            Scope::Publish => Self::Publish,
            Scope::Settings => Self::Settings,
            Scope::Admin => Self::Admin,
        }
    }
}

/// A token of a member to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemberToken {
    /// What it is for, in the words of who makes it.
    #[schema(min_length = 1, max_length = 100)]
    pub label: String,
    /// What it may at most, besides reading; everything that its member may when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 6)]
    pub scopes: Vec<Scope>,
    /// In how many days it is accepted no more, 1 to 3650; never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<u64>,
}

/// A token of a member, without its text: that is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberToken {
    /// `tok_…`.
    pub id: String,
    /// `prn_…`: whom it speaks for.
    pub member_id: String,
    /// What it is for; absent for those that the server was set up with, and for clients that signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it may at most, besides reading; absent: everything that its member may. A newer server may name others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it is accepted no more; absent: always accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A token of a member that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeMemberToken {
    /// `ow_u…` or `ow_i…`: the token itself. It is shown this once; only its hash is stored.
    #[schema(value_type = String)]
    pub token: Secret,
    /// What is stored of it.
    #[serde(flatten)]
    pub stored: MemberToken,
}
