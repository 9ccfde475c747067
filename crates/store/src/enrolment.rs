//! Letting workers in: enrolment tokens, and what they are exchanged for.

use outwork_domain::{EnrolmentTokenId, PrincipalId, Timestamp, TokenId, WorkerId, WorkspaceId};

use crate::error::StoreError;
use crate::sql::{Row, for_update, id, values};
use crate::store::{Store, Tx, Write};

/// An enrolment token to be kept.
#[derive(Clone, Debug)]
pub struct NewEnrolmentToken {
    /// Its id.
    pub id: EnrolmentTokenId,
    /// Whose workers it lets in.
    pub workspace_id: WorkspaceId,
    /// Who made it.
    pub created_by: PrincipalId,
    /// What it is for.
    pub name: Option<String>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// How many workers it lets in.
    pub max_uses: u32,
    /// Not exchanged from this time on.
    pub expires_at: Timestamp,
}

/// An enrolment token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentTokenRecord {
    /// Its id.
    pub id: EnrolmentTokenId,
    /// What it is for.
    pub name: Option<String>,
    /// How many workers it lets in.
    pub max_uses: u32,
    /// How many it has let in.
    pub uses: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Not exchanged from this time on.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A worker's own token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerTokenRecord {
    /// Its id.
    pub id: TokenId,
    /// Whom it speaks for.
    pub worker_id: WorkerId,
    /// What the worker called itself then.
    pub name: String,
    /// What it was exchanged for.
    pub enrolment_token_id: EnrolmentTokenId,
    /// When.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A worker that enrols: everything that is made for it if this is the first time.
#[derive(Clone, Debug)]
pub struct NewEnrolment {
    /// SHA-256 of the enrolment token.
    pub enrolment_hash: [u8; 32],
    /// SHA-256 of the key that the worker made.
    pub key_hash: [u8; 32],
    /// The id of the worker's own token.
    pub token_id: TokenId,
    /// The id of the principal that it speaks as.
    pub principal_id: PrincipalId,
    /// The worker's id.
    pub worker_id: WorkerId,
    /// What it calls itself.
    pub name: String,
    /// SHA-256 of its own token.
    pub token_hash: [u8; 32],
    /// What that token was made with.
    pub salt: [u8; 32],
}

/// What became of an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// The worker has what was made for it, now or when it asked before with the same key.
    Enrolled {
        /// Its id.
        worker_id: WorkerId,
        /// What its token is made with.
        salt: [u8; 32],
    },
    /// There is no such enrolment token.
    Unknown,
    /// It has expired.
    Expired,
    /// It has let in as many as it may.
    UsedUp,
    /// It was revoked, or the token that this worker had for it was.
    Revoked,
}

impl Store {
    /// Keeps an enrolment token.
    pub async fn add_enrolment_token(
        &self,
        new: NewEnrolmentToken,
        now: Timestamp,
    ) -> Result<EnrolmentTokenRecord, StoreError> {
        self.write(Add { new, now }).await
    }

    /// The enrolment tokens of the workspace, the newest first.
    pub async fn enrolment_tokens(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<EnrolmentTokenRecord>, StoreError> {
        const SELECT: &str = "SELECT e.id, e.name, e.max_uses, e.created_at, e.expires_at, \
             e.revoked_at, (SELECT count(*) FROM worker_tokens t \
             WHERE t.enrolment_token_id = e.id) AS uses FROM enrolment_tokens e \
             WHERE e.workspace_id = $1 ORDER BY e.created_at DESC, e.id DESC";
        let read = |row: &Row| {
            Ok(EnrolmentTokenRecord {
                id: row.parsed("id")?,
                name: row.opt_text("name")?,
                max_uses: row.number("max_uses")?,
                uses: row.number("uses")?,
                created_at: row.time("created_at")?,
                expires_at: row.time("expires_at")?,
                revoked_at: row.opt_time("revoked_at")?,
            })
        };
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        rows.await?.iter().map(read).collect()
    }

    /// The tokens of single workers, the newest first.
    pub async fn worker_tokens(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<WorkerTokenRecord>, StoreError> {
        const SELECT: &str = "SELECT w.token_id, w.worker_id, p.name, w.enrolment_token_id, \
             t.created_at, w.revoked_at FROM worker_tokens w JOIN tokens t ON t.id = w.token_id \
             JOIN principals p ON p.id = t.principal_id WHERE p.workspace_id = $1 \
             ORDER BY t.created_at DESC, t.id DESC";
        let read = |row: &Row| {
            Ok(WorkerTokenRecord {
                id: row.parsed("token_id")?,
                worker_id: row.parsed("worker_id")?,
                name: row.text("name")?,
                enrolment_token_id: row.parsed("enrolment_token_id")?,
                created_at: row.time("created_at")?,
                revoked_at: row.opt_time("revoked_at")?,
            })
        };
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        rows.await?.iter().map(read).collect()
    }

    /// Revokes an enrolment token; revoking it again changes nothing. Workers that it let in stay.
    /// Errors: [`StoreError::NotFound`].
    pub async fn revoke_enrolment_token(
        &self,
        workspace: WorkspaceId,
        token: EnrolmentTokenId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Revoke {
            workspace,
            token,
            now,
        })
        .await
    }

    /// Exchanges an enrolment token for a worker's own, once for each key.
    pub async fn enroll(&self, new: NewEnrolment, now: Timestamp) -> Result<Enrolment, StoreError> {
        self.write(Enroll { new, now }).await
    }
}

struct Add {
    new: NewEnrolmentToken,
    now: Timestamp,
}

impl Write for Add {
    type Output = EnrolmentTokenRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<EnrolmentTokenRecord, StoreError> {
        const INSERT: &str = "INSERT INTO enrolment_tokens (id, workspace_id, created_by, name, \
             hash, max_uses, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let NewEnrolmentToken {
            id: token_id,
            workspace_id,
            created_by,
            name,
            hash,
            max_uses,
            expires_at,
        } = &self.new;
        let values = values![
            id(token_id),
            id(workspace_id),
            id(created_by),
            name.as_deref(),
            *hash,
            *max_uses,
            self.now,
            *expires_at
        ];
        tx.execute(INSERT, values).await?;
        Ok(EnrolmentTokenRecord {
            id: *token_id,
            name: name.clone(),
            max_uses: *max_uses,
            uses: 0,
            created_at: self.now,
            expires_at: *expires_at,
            revoked_at: None,
        })
    }
}

struct Revoke {
    workspace: WorkspaceId,
    token: EnrolmentTokenId,
    now: Timestamp,
}

impl Write for Revoke {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const REVOKE: &str = "UPDATE enrolment_tokens SET revoked_at = COALESCE(revoked_at, $3) \
             WHERE id = $1 AND workspace_id = $2";
        let values = values![id(self.token), id(self.workspace), self.now];
        match tx.execute(REVOKE, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}

struct Enroll {
    new: NewEnrolment,
    now: Timestamp,
}

impl Write for Enroll {
    type Output = Enrolment;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Enrolment, StoreError> {
        // Locked, so that two workers do not share its last use.
        let select = for_update!(
            "SELECT id, workspace_id, max_uses, expires_at, revoked_at FROM enrolment_tokens \
             WHERE hash = $1"
        );
        let Some(token) = tx.row(select, values![self.new.enrolment_hash]).await? else {
            return Ok(Enrolment::Unknown);
        };
        if token.opt_time("revoked_at")?.is_some() {
            return Ok(Enrolment::Revoked);
        }
        let token_id: EnrolmentTokenId = token.parsed("id")?;
        if let Some(before) = self.before(tx, token_id).await? {
            return Ok(before);
        }
        if token.time("expires_at")? <= self.now {
            return Ok(Enrolment::Expired);
        }
        const USES: &str =
            "SELECT count(*) AS uses FROM worker_tokens WHERE enrolment_token_id = $1";
        let uses = tx.row(USES, values![id(token_id)]).await?;
        let uses = uses.map_or(Ok(0), |row| row.int("uses"))?;
        if uses >= token.int("max_uses")? {
            return Ok(Enrolment::UsedUp);
        }
        self.add(tx, token_id, token.parsed("workspace_id")?)
            .await?;
        Ok(Enrolment::Enrolled {
            worker_id: self.new.worker_id,
            salt: self.new.salt,
        })
    }
}

impl Enroll {
    /// What a worker with this key was answered before.
    async fn before(
        &self,
        tx: &mut Tx<'_>,
        token: EnrolmentTokenId,
    ) -> Result<Option<Enrolment>, StoreError> {
        const SELECT: &str = "SELECT worker_id, salt, revoked_at FROM worker_tokens \
             WHERE enrolment_token_id = $1 AND key_hash = $2";
        let row = tx
            .row(SELECT, values![id(token), self.new.key_hash])
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        if row.opt_time("revoked_at")?.is_some() {
            return Ok(Some(Enrolment::Revoked));
        }
        let salt = row.bytes("salt")?;
        Ok(Some(Enrolment::Enrolled {
            worker_id: row.parsed("worker_id")?,
            salt: salt.try_into().map_err(|_| StoreError::corrupt("salt"))?,
        }))
    }

    async fn add(
        &self,
        tx: &mut Tx<'_>,
        enrolment_token: EnrolmentTokenId,
        workspace: WorkspaceId,
    ) -> Result<(), StoreError> {
        const PRINCIPAL: &str = "INSERT INTO principals (id, workspace_id, kind, name, created_at, role) \
             VALUES ($1, $2, 'worker', $3, $4, 'viewer')";
        const TOKEN: &str =
            "INSERT INTO tokens (id, principal_id, hash, created_at) VALUES ($1, $2, $3, $4)";
        const WORKER: &str = "INSERT INTO worker_tokens (token_id, worker_id, enrolment_token_id, \
             key_hash, salt) VALUES ($1, $2, $3, $4, $5)";
        let NewEnrolment {
            enrolment_hash: _,
            key_hash,
            token_id,
            principal_id,
            worker_id,
            name,
            token_hash,
            salt,
        } = &self.new;
        let principal = values![id(principal_id), id(workspace), name, self.now];
        tx.execute(PRINCIPAL, principal).await?;
        let token = values![id(token_id), id(principal_id), *token_hash, self.now];
        tx.execute(TOKEN, token).await?;
        let worker = values![
            id(token_id),
            id(worker_id),
            id(enrolment_token),
            *key_hash,
            *salt
        ];
        tx.execute(WORKER, worker).await?;
        Ok(())
    }
}
