//! Signing in with a code that is typed elsewhere: asked for, approved, exchanged for a token.

use outwork_domain::principal::{Principal, PrincipalKind};
use outwork_domain::{PrincipalId, Timestamp, TokenId};

use crate::error::StoreError;
use crate::identity;
use crate::record::NewToken;
use crate::sql::{Row, for_update, id, values};
use crate::store::{Store, Tx, Write};

/// How many there may be at once: whoever asks has no token yet.
const MOST: usize = 1_000;

/// A login to be kept.
#[derive(Clone, Debug)]
pub struct NewDeviceLogin {
    /// SHA-256 of what the client polls with.
    pub hash: [u8; 32],
    /// What its person types elsewhere.
    pub user_code: String,
    /// Neither approved nor exchanged from this time on.
    pub expires_at: Timestamp,
}

/// How far a login has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceLogin {
    /// Nobody has typed its code.
    Waiting,
    /// Its code was typed by them.
    Approved(Principal),
}

/// The token that a login is exchanged for.
#[derive(Clone, Copy, Debug)]
pub struct DeviceToken {
    /// Its id.
    pub token_id: TokenId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Not accepted from this time on.
    pub expires_at: Timestamp,
}

impl Store {
    /// Keeps a login, and drops those that have expired. Errors: [`StoreError::TooMany`].
    pub async fn add_device_login(
        &self,
        new: NewDeviceLogin,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Add { new, now }).await
    }

    /// The login with that hash; `None` if there is none, or it has expired or was exchanged.
    pub async fn device_login(
        &self,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<DeviceLogin>, StoreError> {
        let row = self.read().await?.row(SELECT, values![hash, now]).await?;
        row.as_ref().map(read).transpose()
    }

    /// Says whose login it is. Errors: [`StoreError::NotFound`] if no login waits for that code.
    pub async fn approve_device_login(
        &self,
        user_code: &str,
        principal: PrincipalId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let user_code = user_code.to_owned();
        self.write(Approve {
            user_code,
            principal,
            now,
        })
        .await
    }

    /// Exchanges an approved login for a token of whoever approved it, once. `None`: there is no such login, or it is not approved.
    pub async fn exchange_device_login(
        &self,
        hash: [u8; 32],
        token: DeviceToken,
        now: Timestamp,
    ) -> Result<Option<Principal>, StoreError> {
        self.write(Exchange { hash, token, now }).await
    }
}

const SELECT: &str = "SELECT d.approved_by, p.workspace_id, p.kind, p.name, p.role FROM device_logins d \
     LEFT JOIN principals p ON p.id = d.approved_by WHERE d.hash = $1 AND d.expires_at > $2";

fn read(row: &Row) -> Result<DeviceLogin, StoreError> {
    let Some(id) = row.opt_parsed("approved_by")? else {
        return Ok(DeviceLogin::Waiting);
    };
    Ok(DeviceLogin::Approved(Principal {
        id,
        workspace_id: row.parsed("workspace_id")?,
        kind: PrincipalKind::parse(&row.text("kind")?)
            .ok_or_else(|| StoreError::corrupt("kind"))?,
        name: row.text("name")?,
        role: identity::role(row)?,
        worker_id: None,
    }))
}

struct Add {
    new: NewDeviceLogin,
    now: Timestamp,
}

impl Write for Add {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const EXPIRED: &str = "DELETE FROM device_logins WHERE expires_at <= $1";
        tx.execute(EXPIRED, values![self.now]).await?;
        const COUNT: &str = "SELECT count(*) AS count FROM device_logins";
        let count = tx.row(COUNT, values![]).await?;
        let count = count.map_or(Ok(0), |row| row.int("count"))?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= MOST {
            return Err(StoreError::TooMany { most: MOST });
        }
        const INSERT: &str =
            "INSERT INTO device_logins (hash, user_code, expires_at) VALUES ($1, $2, $3)";
        let NewDeviceLogin {
            hash,
            user_code,
            expires_at,
        } = &self.new;
        tx.execute(INSERT, values![*hash, user_code, *expires_at])
            .await?;
        Ok(())
    }
}

struct Approve {
    user_code: String,
    principal: PrincipalId,
    now: Timestamp,
}

impl Write for Approve {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const APPROVE: &str = "UPDATE device_logins SET approved_by = $2 \
             WHERE user_code = $1 AND approved_by IS NULL AND expires_at > $3";
        let values = values![&self.user_code, id(self.principal), self.now];
        match tx.execute(APPROVE, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}

struct Exchange {
    hash: [u8; 32],
    token: DeviceToken,
    now: Timestamp,
}

impl Write for Exchange {
    type Output = Option<Principal>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Option<Principal>, StoreError> {
        // Locked, so that two do not exchange it.
        let lock = for_update!("SELECT hash FROM device_logins WHERE hash = $1");
        if tx.row(lock, values![self.hash]).await?.is_none() {
            return Ok(None);
        }
        let Some(row) = tx.row(SELECT, values![self.hash, self.now]).await? else {
            return Ok(None);
        };
        let DeviceLogin::Approved(principal) = read(&row)? else {
            return Ok(None);
        };
        const DELETE: &str = "DELETE FROM device_logins WHERE hash = $1";
        tx.execute(DELETE, values![self.hash]).await?;
        let DeviceToken {
            token_id,
            hash,
            expires_at,
        } = self.token;
        let token = NewToken {
            token_id,
            principal_id: principal.id,
            workspace_id: principal.workspace_id,
            kind: principal.kind,
            name: principal.name.clone(),
            hash,
            expires_at: Some(expires_at),
        };
        identity::add(tx, &token, self.now).await?;
        Ok(Some(principal))
    }
}
