//! A worker says which snapshots it keeps: all of them, in place of what it said before.

use std::collections::HashSet;

use outwork_api::problem::Code;
use outwork_api::worker::{self as wire, SnapshotInventory};
use outwork_domain::EnvironmentId;
use outwork_store::{Inventory, KeptSnapshot, SnapshotUses};

use super::{WorkerService, without_nul, wrong};
use crate::refusal::Refusal;

const MAX_SNAPSHOTS: usize = 10_000;
const MAX_KEY_CHARS: usize = 200;
/// More of a reason is cut off: it is there to be read.
const REASON_CHARS: usize = 500;

impl WorkerService {
    pub(super) async fn do_snapshots(&self, request: SnapshotInventory) -> Result<(), Refusal> {
        let SnapshotInventory {
            worker,
            snapshots,
            uses,
        } = request;
        for (name, entries) in [("snapshots", snapshots.len()), ("uses", uses.len())] {
            if entries > MAX_SNAPSHOTS {
                let detail = format!("has {entries} entries; at most {MAX_SNAPSHOTS} are taken");
                return Err(wrong(&format!("/{name}"), detail));
            }
        }
        let snapshots = snapshots.into_iter().enumerate().map(snapshot);
        let snapshots: Vec<_> = snapshots.collect::<Result<_, _>>()?;
        once("snapshots", snapshots.iter().map(|kept| &kept.key))?;
        let uses = uses.into_iter().enumerate().map(used);
        let uses: Vec<_> = uses.collect::<Result<_, _>>()?;
        once("uses", uses.iter().map(|uses| uses.environment))?;
        self.plane.need_space()?;
        let worker = self.known(&worker).await?.worker.id;
        let inventory = Inventory {
            worker,
            snapshots,
            uses,
        };
        Ok(self
            .plane
            .store
            .keep_inventory(self.workspace, inventory)
            .await?)
    }
}

fn snapshot((index, kept): (usize, wire::KeptSnapshot)) -> Result<KeptSnapshot, Refusal> {
    let wire::KeptSnapshot {
        key,
        environment_id,
        cache_generation,
        reason,
        built_at,
        last_used_at,
        size_bytes,
        hits,
        in_use,
    } = kept;
    let hexadecimal = key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal || !(1..=MAX_KEY_CHARS).contains(&key.len()) {
        let detail = format!("must be 1 to {MAX_KEY_CHARS} hexadecimal digits");
        return Err(wrong(&format!("/snapshots/{index}/key"), detail));
    }
    if cache_generation < 0 {
        let pointer = format!("/snapshots/{index}/cache_generation");
        return Err(wrong(&pointer, "must be 0 or more"));
    }
    Ok(KeptSnapshot {
        key,
        environment: environment("snapshots", index, &environment_id)?,
        generation: cache_generation,
        reason: without_nul(reason.chars().take(REASON_CHARS).collect()),
        built_at: built_at.timestamp(),
        last_used_at: last_used_at.timestamp(),
        size_bytes,
        hits,
        in_use,
    })
}

fn used((index, uses): (usize, wire::SnapshotUses)) -> Result<SnapshotUses, Refusal> {
    let wire::SnapshotUses {
        environment_id,
        hits,
        builds,
    } = uses;
    Ok(SnapshotUses {
        environment: environment("uses", index, &environment_id)?,
        hits,
        builds,
    })
}

fn environment(list: &str, index: usize, id: &str) -> Result<EnvironmentId, Refusal> {
    id.parse().map_err(|fault: outwork_domain::id::InvalidId| {
        wrong(
            &format!("/{list}/{index}/environment_id"),
            fault.to_string(),
        )
    })
}

fn once<T: Eq + std::hash::Hash>(
    list: &str,
    mut entries: impl Iterator<Item = T>,
) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    match entries.position(|entry| !seen.insert(entry)) {
        None => Ok(()),
        Some(index) => Err(Refusal::new(
            Code::Unprocessable,
            format!("`{list}.{index}` names what an entry before it names."),
        )
        .with_field(format!("/{list}/{index}"), "is there twice")),
    }
}
