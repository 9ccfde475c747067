//! Layers: which may be put together, and how their ids are seen.

use std::path::{Path, PathBuf};

use super::{Extent, IDS_PER_SANDBOX, LayerMap, PlanError, PlannedLayer, PlannedOverlay, check};
use crate::capabilities::{Capabilities, OverlaySupport, Privilege};
use crate::spec::{LayerIds, Lower, Mount, Overlay, Spec, SystemRoot};

/// The kernel's own bound.
const MOST_LOWERS: usize = 500;

/// Every overlay of a spec and where it will be.
fn overlays(spec: &Spec) -> impl Iterator<Item = (&Overlay, &Path)> {
    let root = match &spec.system {
        SystemRoot::Overlay(overlay) => Some((overlay, Path::new("/"))),
        SystemRoot::HostReadOnly | SystemRoot::Empty => None,
    };
    let mounts = spec.mounts.iter().filter_map(|mount| match mount {
        Mount::Overlay { overlay, target } => Some((overlay, target.as_path())),
        Mount::ReadOnlyBind { .. }
        | Mount::Bind { .. }
        | Mount::Tmpfs { .. }
        | Mount::ReadOnlyTmpfs { .. }
        | Mount::Proc
        | Mount::Sys
        | Mount::Dev
        | Mount::Symlink { .. }
        | Mount::File { .. } => None,
    });
    root.into_iter().chain(mounts)
}

pub(super) fn check(spec: &Spec, capabilities: &Capabilities) -> Result<(), PlanError> {
    let mut any = false;
    for (overlay, target) in overlays(spec) {
        any = true;
        let Overlay {
            lowers,
            upper,
            work,
        } = overlay;
        let count = lowers.len();
        if count == 0 || count > MOST_LOWERS {
            return Err(PlanError::Lowers {
                target: target.to_owned(),
                count,
            });
        }
        for Lower { path, ids: _ } in lowers {
            check::path("a layer", path)?;
        }
        check::path("an upper directory", upper)?;
        check::path("a work directory", work)?;
        let beside = upper.parent().is_some() && upper.parent() == work.parent();
        if !beside || upper == work || name(upper).is_none() || name(work).is_none() {
            return Err(PlanError::UpperAndWork {
                upper: upper.clone(),
                work: work.clone(),
            });
        }
    }
    if !any {
        return Ok(());
    }
    match (capabilities.overlay, capabilities.privilege) {
        (OverlaySupport::Refused { errno }, _) => Err(PlanError::Overlay { errno }),
        (OverlaySupport::WithoutIdMaps, Privilege::Root { .. }) => Err(PlanError::OverlayIdMaps),
        (OverlaySupport::Available, Privilege::Root { .. }) => store_ids(spec, capabilities),
        (OverlaySupport::Available | OverlaySupport::WithoutIdMaps, Privilege::User { .. }) => {
            Ok(())
        }
    }
}

fn store_ids(spec: &Spec, capabilities: &Capabilities) -> Result<(), PlanError> {
    let (store, sandbox) = (spec.store_uid_base, spec.uid_base);
    if !check::is_base(store) {
        return Err(PlanError::StoreUidBase(store));
    }
    if store.abs_diff(sandbox) < IDS_PER_SANDBOX {
        return Err(PlanError::StoreIsSandbox { store, sandbox });
    }
    check::ids_exist(store, capabilities)
}

/// What the launcher can name without quoting.
fn name(path: &Path) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    path.file_name()?
        .to_str()
        .filter(|name| name.chars().all(plain))
}

/// Of an overlay that was checked.
pub(super) fn planned(
    overlay: &Overlay,
    spec: &Spec,
    capabilities: &Capabilities,
) -> PlannedOverlay {
    let Overlay {
        lowers,
        upper,
        work,
    } = overlay;
    let stored = match capabilities.privilege {
        Privilege::Root { uid: _, gid: _ } => LayerMap::Mapped(Extent {
            inside: spec.store_uid_base,
            outside: spec.uid_base,
            count: IDS_PER_SANDBOX,
        }),
        Privilege::User { uid: _, gid: _ } => LayerMap::Same,
    };
    let layer = |Lower { path, ids }: &Lower| PlannedLayer {
        path: path.clone(),
        ids: match ids {
            LayerIds::Stored => stored,
            // Mapped, they would be the sandbox's own: root inside could read what only the host's root may.
            LayerIds::Host => LayerMap::Same,
        },
    };
    PlannedOverlay {
        lowers: lowers.iter().map(layer).collect(),
        directory: upper.parent().map(PathBuf::from).unwrap_or_default(),
        upper: name(upper).unwrap_or_default().to_owned(),
        work: name(work).unwrap_or_default().to_owned(),
        ids: stored,
    }
}
