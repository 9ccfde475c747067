//! Workspaces, principals and tokens.

use outwork_domain::principal::{Principal, PrincipalKind, Role};
use outwork_domain::scope::Scopes;
use outwork_domain::{PrincipalId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{Authenticated, Bootstrap, NewToken};
use crate::sql::{Row, Sql, id, values};
use crate::store::{Store, Tx, Write};

impl Store {
    /// Makes the first workspace and its tokens. If there is a workspace already, answers the
    /// oldest and changes nothing.
    pub async fn bootstrap(
        &self,
        first: Bootstrap,
        now: Timestamp,
    ) -> Result<WorkspaceId, StoreError> {
        self.write(MakeFirst { first, now }).await
    }

    /// Adds a workspace; one that is there stays as it is.
    pub async fn add_workspace(
        &self,
        id: WorkspaceId,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(AddWorkspace { id, name, now }).await
    }

    /// Adds a token, and its principal unless it exists: an admin, if it is no worker. Errors: [`StoreError::NotFound`] if
    /// the workspace does not exist, or the principal is not in it or is deactivated.
    pub async fn add_token(&self, token: NewToken, now: Timestamp) -> Result<(), StoreError> {
        self.write(AddToken { token, now }).await
    }

    /// Whom the token with this SHA-256 speaks for; `None` if unknown or expired.
    pub async fn authenticate(
        &self,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Authenticated>, StoreError> {
        let version = self.settings_version().await?;
        let settings = self.settings();
        let token = match settings.get(version, |kept| &mut kept.tokens, &hash) {
            Some(token) => token,
            None => match self.token(hash).await? {
                Some(token) => settings.keep(version, |kept| &mut kept.tokens, hash, token),
                None => return Ok(None),
            },
        };
        let holds = token.expires_at.is_none_or(|at| at > now);
        Ok(holds.then(|| token.authenticated.clone()))
    }

    /// Ends the login with this token, which is not accepted any more; whether there was one. Tokens without an end, or with a label, are no logins, and stay.
    pub async fn remove_login(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        Ok(self.write(RemoveLogins::With(hash)).await? > 0)
    }

    /// Ends all logins of somebody: how many there were.
    pub async fn remove_logins(&self, principal: PrincipalId) -> Result<u64, StoreError> {
        self.write(RemoveLogins::Of(principal)).await
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<Token>, StoreError> {
        const SELECT: &str = "SELECT p.id, p.workspace_id, p.kind, p.name, p.role, \
             w.name AS workspace_name, wt.worker_id, wt.revoked_at, t.expires_at, t.scopes FROM tokens t \
             JOIN principals p ON p.id = t.principal_id \
             JOIN workspaces w ON w.id = p.workspace_id \
             LEFT JOIN worker_tokens wt ON wt.token_id = t.id WHERE t.hash = $1";
        let row = self.read().await?.row(SELECT, values![hash]).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let authenticated = Authenticated {
            principal: Principal {
                id: row.parsed("id")?,
                workspace_id: row.parsed("workspace_id")?,
                kind: PrincipalKind::parse(&row.text("kind")?)
                    .ok_or_else(|| StoreError::corrupt("kind"))?,
                name: row.text("name")?,
                role: role(&row)?,
                worker_id: row.opt_parsed("worker_id")?,
            },
            workspace_name: row.text("workspace_name")?,
            scopes: scopes(&row)?,
            revoked_at: row.opt_time("revoked_at")?,
        };
        Ok(Some(Token {
            authenticated,
            expires_at: row.opt_time("expires_at")?,
        }))
    }
}

pub(crate) fn role(row: &Row) -> Result<Role, StoreError> {
    Role::parse(row.str("role")?).ok_or_else(|| StoreError::corrupt("role"))
}

pub(crate) fn scopes(row: &Row) -> Result<Scopes, StoreError> {
    match row.opt_str("scopes")? {
        None => Ok(Scopes::unlimited()),
        Some(scopes) => Scopes::parse(scopes).ok_or_else(|| StoreError::corrupt("scopes")),
    }
}

/// A token, which may have expired.
#[derive(Debug)]
pub(crate) struct Token {
    authenticated: Authenticated,
    expires_at: Option<Timestamp>,
}

struct MakeFirst {
    first: Bootstrap,
    now: Timestamp,
}

impl Write for MakeFirst {
    type Output = WorkspaceId;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<WorkspaceId, StoreError> {
        // Two servers that start at once must not both find nothing: this row is the lock.
        let lock = Sql {
            sqlite: "SELECT id FROM server WHERE id = 1",
            postgres: "SELECT id FROM server WHERE id = 1 FOR UPDATE",
        };
        tx.row(lock, values![]).await?;
        const OLDEST: &str = "SELECT id FROM workspaces ORDER BY created_at, id LIMIT 1";
        if let Some(row) = tx.row(OLDEST, values![]).await? {
            return row.parsed("id");
        }
        let Bootstrap {
            workspace_id,
            workspace_name,
            tokens,
        } = &self.first;
        const INSERT: &str = "INSERT INTO workspaces (id, name, created_at) VALUES ($1, $2, $3)";
        tx.execute(INSERT, values![id(workspace_id), workspace_name, self.now])
            .await?;
        for token in tokens {
            add(tx, token, self.now).await?;
        }
        Ok(*workspace_id)
    }
}

struct AddWorkspace {
    id: WorkspaceId,
    name: String,
    now: Timestamp,
}

impl Write for AddWorkspace {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO workspaces (id, name, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO NOTHING";
        tx.execute(INSERT, values![id(self.id), &self.name, self.now])
            .await?;
        Ok(())
    }
}

struct AddToken {
    token: NewToken,
    now: Timestamp,
}

impl Write for AddToken {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        add(tx, &self.token, self.now).await
    }
}

/// What was made for a client, by its person or by a code, has an end and no label; what the server was set up with, and what workers have,
/// has no end, and what was made for a member has a label.
enum RemoveLogins {
    With([u8; 32]),
    Of(PrincipalId),
}

impl Write for RemoveLogins {
    type Output = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        const WITH: &str =
            "DELETE FROM tokens WHERE hash = $1 AND expires_at IS NOT NULL AND label IS NULL";
        const OF: &str = "DELETE FROM tokens \
             WHERE principal_id = $1 AND expires_at IS NOT NULL AND label IS NULL";
        match self {
            Self::With(hash) => tx.execute(WITH, values![*hash]).await,
            Self::Of(principal) => tx.execute(OF, values![id(principal)]).await,
        }
    }
}

pub(crate) async fn add(
    tx: &mut Tx<'_>,
    token: &NewToken,
    now: Timestamp,
) -> Result<(), StoreError> {
    let NewToken {
        token_id,
        principal_id,
        workspace_id,
        kind,
        name,
        hash,
        expires_at,
    } = token;
    const WORKSPACE: &str = "SELECT id FROM workspaces WHERE id = $1";
    tx.row(WORKSPACE, values![id(workspace_id)])
        .await?
        .ok_or(StoreError::NotFound)?;
    const PRINCIPAL: &str = "INSERT INTO principals (id, workspace_id, kind, name, created_at, role) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    let role = match kind {
        PrincipalKind::User | PrincipalKind::Integration => Role::Admin,
        PrincipalKind::Worker => Role::Viewer,
    };
    let (kind, role) = (kind.as_str(), role.as_str());
    let values = values![id(principal_id), id(workspace_id), kind, name, now, role];
    tx.execute(PRINCIPAL, values).await?;
    const TOKEN: &str = "INSERT INTO tokens (id, principal_id, hash, created_at, expires_at) \
         SELECT $1, p.id, $3, $4, $5 FROM principals p \
         WHERE p.id = $2 AND p.workspace_id = $6 AND p.deactivated_at IS NULL";
    let values = values![
        id(token_id),
        id(principal_id),
        *hash,
        now,
        *expires_at,
        id(workspace_id)
    ];
    match tx.execute(TOKEN, values).await? {
        1 => Ok(()),
        _ => Err(StoreError::NotFound),
    }
}
