//! Putting the plan's [`Fence`] around the command.

use std::error::Error;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::place;
use crate::error::{SandboxError, Step};
use crate::plan::{Change, Fence, FencedFiles, FencedPath};

/// Open what the fence names. With the rights to enter directories that are closed to the command.
pub(super) fn prepare(fence: &Fence) -> Result<RulesetCreated, SandboxError> {
    let abi = ABI::from(i32::try_from(fence.abi).unwrap_or(i32::MAX));
    let fault = |e| fault(&e);
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        rules = rules.scope(scopes).map_err(fault)?;
    }
    let paths: &[FencedPath] = match &fence.files {
        FencedFiles::Unfenced => &[],
        FencedFiles::Below(paths) => {
            rules = rules
                .handle_access(AccessFs::from_write(abi))
                .map_err(fault)?;
            paths
        }
    };
    let mut rules = rules.create().map_err(fault)?;
    for FencedPath { path, change } in paths {
        let place = match place::open(path, OFlags::PATH) {
            Ok(place) => place,
            // Something else was mounted over it, or it is a link to nothing: there is nothing to write.
            Err(Errno::NOENT) => continue,
            Err(e) => {
                return Err(SandboxError::caused_by(
                    Step::Fence,
                    path.display().to_string(),
                    e,
                ));
            }
        };
        let allowed = allowed(*change, &place, abi)
            .map_err(|e| SandboxError::caused_by(Step::Fence, path.display().to_string(), e))?;
        rules = rules
            .add_rule(PathBeneath::new(place, allowed))
            .map_err(fault)?;
    }
    Ok(rules)
}

/// From here on it holds, for this process and all that it starts. `no_new_privs` must be set.
pub(super) fn close(rules: RulesetCreated) -> Result<(), SandboxError> {
    let status = rules.restrict_self().map_err(|e| fault(&e))?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => Err(SandboxError::new(
            Step::Fence,
            "the kernel holds less than it said",
        )),
    }
}

fn allowed(change: Change, place: &OwnedFd, abi: ABI) -> rustix::io::Result<BitFlags<AccessFs>> {
    let all = AccessFs::from_write(abi);
    let contents = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    let allowed = match change {
        Change::All => all & !devices,
        Change::Contents => all & contents,
    };
    let stat = rustix::fs::fstat(place)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => allowed,
        // What is done in a directory cannot be allowed for a file.
        _ => allowed & AccessFs::from_file(abi),
    })
}

fn fault(error: &landlock::RulesetError) -> SandboxError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    SandboxError::new(Step::Fence, text)
}
