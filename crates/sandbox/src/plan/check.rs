//! What is refused before anything is planned.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use super::{IDS_PER_SANDBOX, OLDEST_KERNEL, PlanError};
use crate::capabilities::{Capabilities, IdRange, UserNamespaces};
use crate::spec::{Mount, Network, Privileges, Spec, User};

/// The highest base whose 65536 ids leave the last ones, which mean "nobody", alone.
const HIGHEST_UID_BASE: u32 = u32::MAX - 2 * IDS_PER_SANDBOX + 1;

pub(super) fn machine(capabilities: &Capabilities) -> Result<(), PlanError> {
    if capabilities.kernel < OLDEST_KERNEL {
        return Err(PlanError::Kernel(capabilities.kernel));
    }
    match capabilities.user_namespaces {
        UserNamespaces::Available => Ok(()),
        UserNamespaces::Refused { errno } => Err(PlanError::UserNamespaces { errno }),
        UserNamespaces::WithoutProc { errno } => Err(PlanError::Proc { errno }),
    }
}

pub(super) fn spec(spec: &Spec) -> Result<(), PlanError> {
    if spec.command.first().is_none_or(String::is_empty) {
        return Err(PlanError::EmptyCommand);
    }
    if spec.command.iter().any(|argument| argument.contains('\0')) {
        return Err(PlanError::NulByte {
            what: "the command",
        });
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(PlanError::EnvironmentName(name.clone()));
        }
        if value.contains('\0') {
            return Err(PlanError::NulByte {
                what: "an environment variable",
            });
        }
    }
    let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if spec.hostname.is_empty() || spec.hostname.len() > 64 || !spec.hostname.chars().all(named) {
        return Err(PlanError::Hostname(spec.hostname.clone()));
    }
    user(&spec.user)?;
    spec.further_users.iter().try_for_each(user)?;
    ids(spec)?;
    for handle in &spec.handles {
        path("a handle", handle)?;
    }
    path("the working directory", &spec.working_directory)?;
    for mount in &spec.mounts {
        mounts(mount)?;
    }
    forwards(&spec.network)
}

fn user(
    User {
        uid,
        gid,
        name,
        home,
    }: &User,
) -> Result<(), PlanError> {
    let first = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if !first || !rest || name.len() > 32 {
        return Err(PlanError::UserName(name.clone()));
    }
    path("the home directory", home)?;
    if home.to_string_lossy().contains([':', '\n']) {
        return Err(PlanError::Path {
            what: "the home directory",
            path: home.clone(),
        });
    }
    if *uid >= IDS_PER_SANDBOX || *gid >= IDS_PER_SANDBOX {
        return Err(PlanError::InsideIds {
            uid: *uid,
            gid: *gid,
        });
    }
    Ok(())
}

fn ids(spec: &Spec) -> Result<(), PlanError> {
    if !is_base(spec.uid_base) {
        return Err(PlanError::UidBase(spec.uid_base));
    }
    match spec.privileges {
        Privileges::OwnFiles if spec.user.uid != 0 => Err(PlanError::Privileges(spec.user.uid)),
        Privileges::OwnFiles | Privileges::None => Ok(()),
    }
}

/// A range from here on is neither the host's nor reaches the last ids.
pub(super) fn is_base(first: u32) -> bool {
    (IDS_PER_SANDBOX..=HIGHEST_UID_BASE).contains(&first)
}

/// In a container there are not all ids.
pub(super) fn ids_exist(first: u32, capabilities: &Capabilities) -> Result<(), PlanError> {
    let exists = |range: &IdRange| {
        let skipped = first.checked_sub(range.first);
        let room = range.count.checked_sub(IDS_PER_SANDBOX);
        skipped
            .zip(room)
            .is_some_and(|(skipped, room)| skipped <= room)
    };
    if capabilities.id_ranges.iter().any(exists) {
        Ok(())
    } else {
        Err(PlanError::IdsMissing {
            first,
            count: IDS_PER_SANDBOX,
        })
    }
}

fn mounts(mount: &Mount) -> Result<(), PlanError> {
    path("a mount's target", mount.target())?;
    if mount.target() == Path::new("/") {
        return Err(PlanError::TargetIsRoot);
    }
    match mount {
        Mount::ReadOnlyBind { source, target: _ } | Mount::Bind { source, target: _ } => {
            path("a mount's source", source)?;
            if source == Path::new("/") {
                return Err(PlanError::SourceIsRoot(source.clone()));
            }
            Ok(())
        }
        Mount::Symlink {
            points_to,
            target: _,
        } if points_to.as_os_str().is_empty() => Err(PlanError::Path {
            what: "a symbolic link",
            path: points_to.clone(),
        }),
        Mount::Overlay { .. }
        | Mount::Symlink { .. }
        | Mount::Tmpfs { .. }
        | Mount::ReadOnlyTmpfs { .. }
        | Mount::Proc
        | Mount::Sys
        | Mount::Dev
        | Mount::File { .. } => Ok(()),
    }
}

fn forwards(network: &Network) -> Result<(), PlanError> {
    let Network::Forwards(forwards) = network else {
        return Ok(());
    };
    let mut seen = BTreeSet::from([0]);
    for forward in forwards {
        path("a forward's socket", &forward.unix_socket)?;
        if !seen.insert(forward.listen_port) {
            return Err(PlanError::ForwardPort(forward.listen_port));
        }
    }
    Ok(())
}

pub(crate) fn path(what: &'static str, path: &Path) -> Result<(), PlanError> {
    let ok = path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !path.as_os_str().as_encoded_bytes().contains(&0);
    if ok {
        Ok(())
    } else {
        Err(PlanError::Path {
            what,
            path: path.to_owned(),
        })
    }
}
