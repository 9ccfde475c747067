//! A known text, sealed by the server: one that starts with another key notices it before it does
//! anything.

use outwork_domain::{Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::sql::values;
use crate::store::{Store, Tx, Write};

/// What a server's key can be tried with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealCheck {
    /// The known text as it was sealed; `None` if none is kept yet.
    pub kept: Option<Vec<u8>>,
    /// One of the sealed keys of models: older than the known text.
    pub model_key: Option<(WorkspaceId, Vec<u8>)>,
    /// Whether anything but the known text is sealed.
    pub in_use: bool,
}

impl Store {
    /// What the server's key can be tried with.
    pub async fn seal_check(&self) -> Result<SealCheck, StoreError> {
        const SELECT: &str = "SELECT sealed_check, CASE \
             WHEN EXISTS (SELECT 1 FROM models WHERE sealed_key IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM environment_secrets) \
             OR EXISTS (SELECT 1 FROM environment_injections) \
             OR EXISTS (SELECT 1 FROM credentials) \
             OR EXISTS (SELECT 1 FROM webhooks) \
             OR EXISTS (SELECT 1 FROM integrations WHERE sealed IS NOT NULL) THEN 'yes' ELSE 'no' END AS in_use \
             FROM server WHERE id = 1";
        const MODEL: &str = "SELECT workspace_id, sealed_key FROM models \
             WHERE sealed_key IS NOT NULL ORDER BY workspace_id LIMIT 1";
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let row = conn.row(SELECT, values![]).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("server row"))?;
        let model_key = match conn.row(MODEL, values![]).await? {
            Some(row) => Some((row.parsed("workspace_id")?, row.bytes("sealed_key")?)),
            None => None,
        };
        Ok(SealCheck {
            kept: row.opt_bytes("sealed_check")?,
            model_key,
            in_use: row.text("in_use")? == "yes",
        })
    }

    /// Keeps the known text, sealed with the server's key.
    pub async fn keep_seal_check(&self, sealed: Vec<u8>) -> Result<(), StoreError> {
        self.write(Keep { sealed }).await
    }

    /// Forgets everything that is sealed (secrets, injections, credentials, webhooks, keys of models, secrets of integrations), because nobody can
    /// open it any more. Says how many that were.
    pub async fn forget_sealed(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(Forget { now }).await
    }
}

struct Keep {
    sealed: Vec<u8>,
}

impl Write for Keep {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const KEEP: &str = "UPDATE server SET sealed_check = $1 WHERE id = 1";
        tx.execute(KEEP, values![self.sealed.clone()]).await?;
        Ok(())
    }
}

struct Forget {
    now: Timestamp,
}

impl Write for Forget {
    type Output = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        const MODELS: &str =
            "UPDATE models SET sealed_key = NULL, updated_at = $1 WHERE sealed_key IS NOT NULL";
        // Secrets and injections belong to what an environment says.
        const EDITED: &str = "UPDATE environments SET revision = revision + 1, updated_at = $1 \
             WHERE id IN (SELECT environment_id FROM environment_secrets \
             UNION SELECT environment_id FROM environment_injections)";
        const SEALED: [&str; 4] = [
            "DELETE FROM environment_secrets",
            "DELETE FROM environment_injections",
            "DELETE FROM credentials",
            "DELETE FROM webhooks",
        ];
        const INTEGRATIONS: &str =
            "UPDATE integrations SET sealed = NULL, updated_at = $1 WHERE sealed IS NOT NULL";
        let models = tx.execute(MODELS, values![self.now]).await?;
        let integrations = tx.execute(INTEGRATIONS, values![self.now]).await?;
        tx.execute(EDITED, values![self.now]).await?;
        let mut forgotten = models + integrations;
        for delete in SEALED {
            forgotten += tx.execute(delete, values![]).await?;
        }
        Ok(forgotten)
    }
}
