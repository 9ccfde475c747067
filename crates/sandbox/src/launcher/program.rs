//! Our own program, put where a container can run it.
//!
//! The first process in a container must be ours, whatever system the container has: it may have another C library, or
//! none. So the program is shown there together with all that it has loaded to run here, and started through the linker
//! that it was started with here, which is told to look nowhere else.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::LAUNCHER_ARGUMENT;
use super::mounts::read_only_file;
use super::place::Root;
use super::tree::attach;
use crate::error::{SandboxError, Step};
use crate::oci::{PROGRAM_INSIDE, PROGRAM_OUTSIDE};
use crate::plan::Owner;
use crate::syscalls::{self, LoadedProgram};

const NAME: &str = "init";

/// The files, opened and not yet shown.
pub(super) struct Program {
    files: Vec<(String, OwnedFd)>,
    linker: Option<String>,
}

impl Program {
    /// By whoever opens what is mounted from the host, in the mount namespace where it is opened.
    pub(super) fn open() -> Result<Self, SandboxError> {
        let fault = |e| SandboxError::caused_by(Step::OpenSource, "the launcher's own program", e);
        let own = std::fs::read_link("/proc/self/exe").map_err(fault)?;
        let LoadedProgram {
            interpreter,
            libraries,
        } = syscalls::loaded_program();
        let mut files = vec![(NAME.to_owned(), read_only_file(&own)?)];
        let linker = interpreter.as_deref().map(file_name).transpose()?;
        // The linker names itself among the libraries by another path, or not at all.
        let needed = libraries.iter().chain(&interpreter);
        for path in needed.map(PathBuf::as_path) {
            let name = file_name(path)?;
            if files.iter().all(|(known, _)| *known != name) {
                files.push((name, read_only_file(path)?));
            }
        }
        Ok(Self { files, linker })
    }

    /// In the root where the runtime runs.
    pub(super) fn show(&self, root: &Root<'_>) -> Result<(), SandboxError> {
        for (name, mount) in &self.files {
            let target = Path::new(PROGRAM_OUTSIDE).join(name);
            root.mount_point(mount, &target, Owner::Init)
                .and_then(|place| attach(mount, &place))
                .map_err(|e| {
                    SandboxError::caused_by(Step::BuildRoot, target.display().to_string(), e)
                })?;
        }
        Ok(())
    }

    /// How it is started in the container.
    pub(super) fn command(&self) -> Vec<String> {
        let inside = |name: &str| format!("{PROGRAM_INSIDE}/{name}");
        let mut command = match &self.linker {
            None => Vec::new(),
            Some(linker) => vec![
                inside(linker),
                "--library-path".to_owned(),
                PROGRAM_INSIDE.to_owned(),
            ],
        };
        command.extend([inside(NAME), LAUNCHER_ARGUMENT.to_owned()]);
        command
    }
}

fn file_name(path: &Path) -> Result<String, SandboxError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        let what = format!("the library {} has no plain name", path.display());
        SandboxError::new(Step::OpenSource, what)
    })
}
