//! What may be done inside, and how it is made sure that it never becomes more.
//!
//! A command has no capability at all, or those of [`OWN_FILES`]. They hold in the sandbox's user namespace only: the
//! kernel asks for them in the namespace that owns what is touched, and counts a file as the sandbox's only if both its
//! user and its group are in the sandbox's id map, which holds no id of the host's (a root worker) or none but the
//! worker's own (an ordinary user).

use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};

use crate::error::{SandboxError, Step};
use crate::plan::Plan;
use crate::spec::Privileges;

/// Why each is safe to have, beside the rule above.
///
/// * `CHOWN`: to ids of the map only. What is mounted from the host has other ids or, in a workspace, room for one.
/// * `DAC_OVERRIDE`: reads and writes files of the map. A file of the host's, in a read-only mount or a layer of the
///   host, is nobody's inside: it stays as readable as it is for everybody.
/// * `FOWNER`, `FSETID`: modes, times and set-id bits of the same files. Set-id bits are without effect: all that can
///   be written is mounted `nosuid`, and `no_new_privs` is set. On disk stored files have ids that nobody is.
/// * `SETUID`, `SETGID`: to ids of the map, all of which have no more than uid 0 inside has. (An ordinary user's map
///   has one id and `setgroups` is denied: nothing to change to.)
/// * `KILL`: processes of the sandbox, for others cannot be named from within its pid namespace; the first process,
///   which is in it, ignores what is sent from inside.
///
/// Not here, though a package manager may ask for them: `SYS_CHROOT`, `MKNOD` (devices), `SETFCAP` (capabilities of
/// files), `NET_*`, `SYS_PTRACE` (would reach the first process), and `SYS_ADMIN`, which is everything else. The system
/// call filter is the same with privileges as without.
const OWN_FILES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL);

fn kept(privileges: Privileges) -> CapabilitySet {
    match privileges {
        Privileges::None => CapabilitySet::empty(),
        Privileges::OwnFiles => OWN_FILES,
    }
}

/// Kernels of container runtimes (gVisor's) know neither the ambient set nor secure bits, and say so with EINVAL, which
/// Linux does not say here. Nothing is lost: without them a program gets what its user has and the bounding set holds,
/// and that holds no more than the command may have.
fn if_known(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(rustix::io::Errno::INVAL) => Ok(()),
        other => other,
    }
}

fn fault(what: &str, error: rustix::io::Errno) -> SandboxError {
    SandboxError::caused_by(Step::DropPrivileges, what, error)
}

/// No program, set-uid or run as root, can get a capability that is not the command's.
pub(super) fn empty_bounding_set(privileges: Privileges) -> Result<(), SandboxError> {
    let kept = kept(privileges);
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => break, // The kernel has no more.
            Err(e) => return Err(fault("the bounding set", e)),
        }
    }
    if_known(rustix::thread::clear_ambient_capability_set())
        .map_err(|e| fault("the ambient set", e))
}

/// What this process has to give away in the sandbox, kept when it executes itself. It is not root where it does.
pub(super) fn keep_through_execution() -> Result<(), SandboxError> {
    let kept = OWN_FILES | CapabilitySet::SETPCAP;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: kept,
    };
    rustix::thread::set_capabilities(None, sets).map_err(|e| fault("capabilities", e))?;
    for capability in kept.iter() {
        rustix::thread::configure_capability_in_ambient_set(capability, true)
            .map_err(|e| fault("the ambient set", e))?;
    }
    Ok(())
}

/// The first process, as another user.
pub(super) fn become_other(uid: Uid, gid: Gid) -> Result<(), SandboxError> {
    let before = rustix::thread::capabilities(None).map_err(|e| fault("capabilities", e))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(|e| fault("the group", e))?;
    rustix::thread::set_keep_capabilities(true).map_err(|e| fault("keeping capabilities", e))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|e| fault("the user", e))?;
    rustix::thread::set_capabilities(None, before).map_err(|e| fault("capabilities", e))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| fault("hiding", e))
}

/// In the process that becomes the command, before it becomes another user: what is run by it will have, and that
/// nothing can be added.
pub(super) fn pass_on(privileges: Privileges) -> Result<(), SandboxError> {
    let kept = kept(privileges);
    if !kept.is_empty() {
        // Through the ambient set: being root counts for nothing inside, see below.
        let sets = CapabilitySets {
            effective: kept | CapabilitySet::SETPCAP,
            permitted: kept | CapabilitySet::SETPCAP,
            inheritable: kept,
        };
        rustix::thread::set_capabilities(None, sets).map_err(|e| fault("capabilities", e))?;
        for capability in kept.iter() {
            if_known(rustix::thread::configure_capability_in_ambient_set(
                capability, true,
            ))
            .map_err(|e| fault("the ambient set", e))?;
        }
    }
    lock()
}

/// In the same process, as the command's user.
pub(super) fn keep_for_command(privileges: Privileges) -> Result<(), SandboxError> {
    let kept = kept(privileges);
    hold(kept, kept)
}

/// Of the first process, which stays: passing signals on to processes of another user, nothing else.
pub(super) fn keep_for_init(plan: &Plan) -> Result<(), SandboxError> {
    let other_users = match plan.privileges {
        Privileges::None => plan.identity.init_uid != plan.identity.uid,
        Privileges::OwnFiles => true,
    };
    lock()?;
    let kept = if other_users {
        CapabilitySet::KILL
    } else {
        CapabilitySet::empty()
    };
    hold(kept, CapabilitySet::empty())
}

/// Neither being root nor the ambient set gives a capability from here on.
fn lock() -> Result<(), SandboxError> {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    if_known(rustix::thread::set_capabilities_secure_bits(bits))
        .map_err(|e| fault("the secure bits", e))
}

/// Give up all other capabilities, for ever.
fn hold(kept: CapabilitySet, inheritable: CapabilitySet) -> Result<(), SandboxError> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable,
    };
    rustix::thread::set_capabilities(None, sets).map_err(|e| fault("capabilities", e))?;
    rustix::thread::set_no_new_privs(true).map_err(|e| fault("no_new_privs", e))
}
