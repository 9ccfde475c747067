//! Header injections of environments, sealed by the caller: the store cannot read their values.

use std::collections::HashMap;

use outwork_domain::environment::{Injection, InjectionTarget};
use outwork_domain::{EnvironmentId, Timestamp};

use crate::error::StoreError;
use crate::record::{InjectionChange, SealedInjection};
use crate::sql::{Conn, Row, Sql, id, in_json, json_array, values};
use crate::store::Tx;

/// Each environment's injections without their values, sorted.
pub(crate) async fn targets(
    conn: &mut Conn<'_>,
    environments: impl Iterator<Item = EnvironmentId>,
) -> Result<HashMap<EnvironmentId, Vec<Injection>>, StoreError> {
    const SELECT: Sql = in_json!(
        "SELECT environment_id, host, header, updated_at FROM environment_injections \
         WHERE environment_id",
        "$1",
        "ORDER BY environment_id, host, header"
    );
    let ids = json_array(environments);
    let mut targets: HashMap<_, Vec<_>> = HashMap::new();
    for row in conn.rows(SELECT, values![ids]).await? {
        targets
            .entry(row.parsed("environment_id")?)
            .or_default()
            .push(Injection {
                target: target(&row)?,
                updated_at: row.time("updated_at")?,
            });
    }
    Ok(targets)
}

/// The injections of an environment with their sealed values, sorted.
pub(crate) async fn sealed(
    conn: &mut Conn<'_>,
    environment: EnvironmentId,
) -> Result<Vec<SealedInjection>, StoreError> {
    const SELECT: &str = "SELECT host, header, sealed FROM environment_injections \
         WHERE environment_id = $1 ORDER BY host, header";
    let rows = conn.rows(SELECT, values![id(environment)]).await?;
    rows.iter()
        .map(|row| {
            Ok(SealedInjection {
                target: target(row)?,
                sealed: row.bytes("sealed")?,
            })
        })
        .collect()
}

/// Makes the changes to an environment that the transaction holds.
pub(crate) async fn change(
    tx: &mut Tx<'_>,
    environment: EnvironmentId,
    changes: &[InjectionChange],
    now: Timestamp,
) -> Result<(), StoreError> {
    const REMOVE: &str = "DELETE FROM environment_injections \
         WHERE environment_id = $1 AND host = $2 AND header = $3";
    const SET: &str = "INSERT INTO environment_injections \
         (environment_id, host, header, sealed, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (environment_id, host, header) DO UPDATE SET \
         sealed = excluded.sealed, updated_at = excluded.updated_at";
    for change in changes {
        let (InjectionChange::Set { target, .. } | InjectionChange::Remove { target }) = change;
        let mut values = values![
            id(environment),
            target.host.as_str(),
            target.header.as_str()
        ];
        match change {
            InjectionChange::Remove { target: _ } => tx.execute(REMOVE, values).await?,
            InjectionChange::Set { target: _, sealed } => {
                values.extend(values![sealed.clone(), now]);
                tx.execute(SET, values).await?
            }
        };
    }
    Ok(())
}

fn target(row: &Row) -> Result<InjectionTarget, StoreError> {
    InjectionTarget::parse(&row.text("host")?, &row.text("header")?)
        .map_err(|_| StoreError::corrupt("injection"))
}
