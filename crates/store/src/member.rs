//! The members of a workspace, and their tokens.

use std::collections::HashMap;
use std::sync::Arc;

use outwork_domain::principal::{PrincipalKind, Role};
use outwork_domain::scope::Scopes;
use outwork_domain::{PrincipalId, Timestamp, TokenId, WorkspaceId};

use crate::error::StoreError;
use crate::identity::{role, scopes};
use crate::sql::{Row, Sql, id, values};
use crate::store::{Store, Tx, Write};

/// How many members a workspace has at most.
const MOST_MEMBERS: usize = 1_000;
/// How many tokens with a label a member has at most.
const MOST_TOKENS: usize = 100;

/// A member: a principal that is no worker and was not deactivated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    /// Its id.
    pub id: PrincipalId,
    /// A person or a script.
    pub kind: PrincipalKind,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Since when it is one.
    pub created_at: Timestamp,
}

/// A token of a member, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberToken {
    /// Its id.
    pub id: TokenId,
    /// Whom it speaks for.
    pub principal_id: PrincipalId,
    /// What it is for; `None` for one of the set-up or of a client that signed in.
    pub label: Option<String>,
    /// What it may at most.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// Not accepted from this time on; `None`: always accepted.
    pub expires_at: Option<Timestamp>,
}

/// A change of a member; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// What it may do from now on.
    pub role: Option<Role>,
    /// What people call it from now on.
    pub name: Option<String>,
}

/// What members are called, also those who are gone.
pub type Names = Arc<HashMap<PrincipalId, String>>;

/// `SELECT` of what [`read`] wants, up to where more conditions follow.
macro_rules! select {
    () => {
        "SELECT p.id, p.kind, p.name, p.role, p.created_at FROM principals p \
         WHERE p.workspace_id = $1 AND p.kind <> 'worker' AND p.deactivated_at IS NULL "
    };
}

/// `SELECT` of what [`read_token`] wants, up to where more conditions follow.
macro_rules! select_tokens {
    () => {
        "SELECT t.id, t.principal_id, t.label, t.scopes, t.created_at, t.expires_at FROM tokens t \
         JOIN principals p ON p.id = t.principal_id WHERE p.workspace_id = $1 AND p.kind <> 'worker' "
    };
}

impl Store {
    /// The members, by name.
    pub async fn members(&self, workspace: WorkspaceId) -> Result<Vec<MemberRecord>, StoreError> {
        const SELECT: &str = concat!(select!(), "ORDER BY p.name, p.id");
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        rows.await?.iter().map(read).collect()
    }

    /// A member.
    pub async fn member(
        &self,
        workspace: WorkspaceId,
        member: PrincipalId,
    ) -> Result<Option<MemberRecord>, StoreError> {
        const SELECT: &str = concat!(select!(), "AND p.id = $2");
        let values = values![id(workspace), id(member)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// What the members of a workspace are called, also those who are gone.
    pub async fn member_names(&self, workspace: WorkspaceId) -> Result<Names, StoreError> {
        const SELECT: &str =
            "SELECT id, name FROM principals WHERE workspace_id = $1 AND kind <> 'worker'";
        let version = self.settings_version().await?;
        let settings = self.settings();
        if let Some(names) = settings.get(version, |kept| &mut kept.names, &workspace) {
            return Ok(names);
        }
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        let mut names = HashMap::new();
        for row in rows.await? {
            names.insert(row.parsed("id")?, row.text("name")?);
        }
        Ok(settings.keep(version, |kept| &mut kept.names, workspace, names))
    }

    /// Adds a member, which has no token yet. Errors: [`StoreError::NameTaken`], [`StoreError::TooMany`].
    pub async fn add_member(
        &self,
        workspace: WorkspaceId,
        member: MemberRecord,
    ) -> Result<(), StoreError> {
        self.write(Add { workspace, member }).await
    }

    /// Changes a member. Errors: [`StoreError::NotFound`], [`StoreError::NameTaken`], [`StoreError::LastAdmin`].
    pub async fn change_member(
        &self,
        workspace: WorkspaceId,
        member: PrincipalId,
        change: MemberChange,
        now: Timestamp,
    ) -> Result<MemberRecord, StoreError> {
        self.write(ChangeIt {
            workspace,
            member,
            change,
            now,
        })
        .await
    }

    /// Lets a member in no more: its tokens are gone, and its name stays with what it did. Errors: [`StoreError::NotFound`],
    /// [`StoreError::LastAdmin`].
    pub async fn deactivate_member(
        &self,
        workspace: WorkspaceId,
        member: PrincipalId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Deactivate {
            workspace,
            member,
            now,
        })
        .await
    }

    /// The tokens of a member, the newest first.
    pub async fn member_tokens(
        &self,
        workspace: WorkspaceId,
        member: PrincipalId,
    ) -> Result<Vec<MemberToken>, StoreError> {
        const SELECT: &str = concat!(
            select_tokens!(),
            "AND t.principal_id = $2 ORDER BY t.created_at DESC, t.id DESC"
        );
        let values = values![id(workspace), id(member)];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read_token).collect()
    }

    /// A token of a member.
    pub async fn member_token(
        &self,
        workspace: WorkspaceId,
        token: TokenId,
    ) -> Result<Option<MemberToken>, StoreError> {
        const SELECT: &str = concat!(select_tokens!(), "AND t.id = $2");
        let values = values![id(workspace), id(token)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read_token).transpose()
    }

    /// Adds a token of a member, with the SHA-256 of its text. Errors: [`StoreError::NotFound`] if the member is not there any
    /// more, [`StoreError::TooMany`].
    pub async fn add_member_token(
        &self,
        workspace: WorkspaceId,
        token: MemberToken,
        hash: [u8; 32],
    ) -> Result<(), StoreError> {
        self.write(AddToken {
            workspace,
            token,
            hash,
        })
        .await
    }

    /// Takes a token of a member back. Errors: [`StoreError::NotFound`], [`StoreError::LastAdmin`].
    pub async fn revoke_member_token(
        &self,
        workspace: WorkspaceId,
        token: TokenId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Revoke {
            workspace,
            token,
            now,
        })
        .await
    }
}

fn read(row: &Row) -> Result<MemberRecord, StoreError> {
    Ok(MemberRecord {
        id: row.parsed("id")?,
        kind: PrincipalKind::parse(row.str("kind")?).ok_or_else(|| StoreError::corrupt("kind"))?,
        name: row.text("name")?,
        role: role(row)?,
        created_at: row.time("created_at")?,
    })
}

fn read_token(row: &Row) -> Result<MemberToken, StoreError> {
    Ok(MemberToken {
        id: row.parsed("id")?,
        principal_id: row.parsed("principal_id")?,
        label: row.opt_text("label")?,
        scopes: scopes(row)?,
        created_at: row.time("created_at")?,
        expires_at: row.opt_time("expires_at")?,
    })
}

/// Changes of members come one after the other, so that two never take the last two admins away.
async fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<(), StoreError> {
    const LOCK: Sql = Sql {
        sqlite: "SELECT id FROM workspaces WHERE id = $1",
        // Those who write rows of the workspace do not wait for it.
        postgres: "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE",
    };
    let row = tx.row(LOCK, values![id(workspace)]).await?;
    row.map(drop).ok_or(StoreError::NotFound)
}

async fn name_is_free(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    member: PrincipalId,
    name: &str,
) -> Result<(), StoreError> {
    const OTHERS: &str = concat!(select!(), "AND p.id <> $2");
    let folded = name.to_lowercase();
    let others = tx.rows(OTHERS, values![id(workspace), id(member)]).await?;
    for other in &others {
        if other.str("name")?.to_lowercase() == folded {
            return Err(StoreError::NameTaken);
        }
    }
    match others.len() {
        many if many >= MOST_MEMBERS => Err(StoreError::TooMany { most: MOST_MEMBERS }),
        _ => Ok(()),
    }
}

/// After the change: somebody has to be left who can undo it.
async fn has_admin(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<(), StoreError> {
    const ADMIN: &str = "SELECT t.id FROM principals p JOIN tokens t ON t.principal_id = p.id \
         WHERE p.workspace_id = $1 AND p.kind <> 'worker' AND p.role = 'admin' AND p.deactivated_at IS NULL \
         AND t.scopes IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2) LIMIT 1";
    let row = tx.row(ADMIN, values![id(workspace), now]).await?;
    row.map(drop).ok_or(StoreError::LastAdmin)
}

async fn found(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    member: PrincipalId,
) -> Result<MemberRecord, StoreError> {
    const SELECT: &str = concat!(select!(), "AND p.id = $2");
    let row = tx.row(SELECT, values![id(workspace), id(member)]).await?;
    read(&row.ok_or(StoreError::NotFound)?)
}

struct Add {
    workspace: WorkspaceId,
    member: MemberRecord,
}

impl Write for Add {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        insert(tx, self.workspace, &self.member).await
    }
}

/// Adds a member, also as a part of a larger transaction.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    member: &MemberRecord,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO principals (id, workspace_id, kind, name, created_at, role) \
         VALUES ($1, $2, $3, $4, $5, $6)";
    let MemberRecord {
        id: member,
        kind,
        name,
        role,
        created_at,
    } = member;
    lock(tx, workspace).await?;
    name_is_free(tx, workspace, *member, name).await?;
    let values = values![
        id(member),
        id(workspace),
        kind.as_str(),
        name,
        *created_at,
        role.as_str()
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}

struct ChangeIt {
    workspace: WorkspaceId,
    member: PrincipalId,
    change: MemberChange,
    now: Timestamp,
}

impl Write for ChangeIt {
    type Output = MemberRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<MemberRecord, StoreError> {
        const UPDATE: &str = "UPDATE principals SET role = $2, name = $3 WHERE id = $1";
        lock(tx, self.workspace).await?;
        let mut member = found(tx, self.workspace, self.member).await?;
        let MemberChange { role, name } = self.change.clone();
        if let Some(name) = name {
            name_is_free(tx, self.workspace, self.member, &name).await?;
            member.name = name;
        }
        member.role = role.unwrap_or(member.role);
        let values = values![id(self.member), member.role.as_str(), &member.name];
        tx.execute(UPDATE, values).await?;
        has_admin(tx, self.workspace, self.now).await?;
        Ok(member)
    }
}

struct Deactivate {
    workspace: WorkspaceId,
    member: PrincipalId,
    now: Timestamp,
}

impl Write for Deactivate {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        deactivate(tx, self.workspace, self.member, self.now).await
    }
}

/// Lets a member in no more, also as a part of a larger transaction.
pub(crate) async fn deactivate(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    member: PrincipalId,
    now: Timestamp,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE principals SET deactivated_at = $2 WHERE id = $1";
    const TOKENS: &str = "DELETE FROM tokens WHERE principal_id = $1";
    const LOGINS: &str = "DELETE FROM device_logins WHERE approved_by = $1";
    lock(tx, workspace).await?;
    found(tx, workspace, member).await?;
    tx.execute(UPDATE, values![id(member), now]).await?;
    for delete in [TOKENS, LOGINS] {
        tx.execute(delete, values![id(member)]).await?;
    }
    has_admin(tx, workspace, now).await
}

struct AddToken {
    workspace: WorkspaceId,
    token: MemberToken,
    hash: [u8; 32],
}

impl Write for AddToken {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const COUNT: &str = "SELECT count(*) AS count FROM tokens \
             WHERE principal_id = $1 AND label IS NOT NULL";
        const INSERT: &str = "INSERT INTO tokens (id, principal_id, hash, created_at, expires_at, label, scopes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let MemberToken {
            id: token,
            principal_id,
            label,
            scopes,
            created_at,
            expires_at,
        } = &self.token;
        lock(tx, self.workspace).await?;
        found(tx, self.workspace, *principal_id).await?;
        let row = tx.row(COUNT, values![id(principal_id)]).await?;
        let count = row.map_or(Ok(0), |row| row.number::<usize>("count"))?;
        if count >= MOST_TOKENS {
            return Err(StoreError::TooMany { most: MOST_TOKENS });
        }
        let values = values![
            id(token),
            id(principal_id),
            self.hash,
            *created_at,
            *expires_at,
            label.as_deref(),
            (!scopes.is_unlimited()).then(|| scopes.to_string())
        ];
        tx.execute(INSERT, values).await?;
        Ok(())
    }
}

struct Revoke {
    workspace: WorkspaceId,
    token: TokenId,
    now: Timestamp,
}

impl Write for Revoke {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM tokens WHERE id = $1 AND principal_id IN \
             (SELECT p.id FROM principals p WHERE p.workspace_id = $2 AND p.kind <> 'worker')";
        lock(tx, self.workspace).await?;
        let values = values![id(self.token), id(self.workspace)];
        match tx.execute(DELETE, values).await? {
            1 => has_admin(tx, self.workspace, self.now).await,
            _ => Err(StoreError::NotFound),
        }
    }
}
