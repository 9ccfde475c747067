//! What is only needed with container runtimes: in the kernels that they bring, which lack some calls, and around them.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use rustix::process::Pid;

use super::{block, check};

/// A fork like any other: for the kernels of container runtimes, which do not all have `clone3`.
///
/// # Safety
/// As for [`fork_into`].
pub(crate) unsafe fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the caller keeps to the rules of fork in the child.
    let pid = check(unsafe { libc::fork() }.into())?;
    Ok(Pid::from_raw(pid as libc::pid_t))
}

/// A session and process group of its own. Its number is not read: gVisor's kernel answers zero.
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: takes no memory.
    check(unsafe { libc::setsid() }.into())?;
    Ok(())
}

/// Move this process into a user namespace of its own. It must have one thread.
pub(crate) fn new_user_namespace() -> io::Result<()> {
    // SAFETY: takes no memory; changes only what this process may do.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())?;
    Ok(())
}

/// Block every signal that can be blocked and get a descriptor that they are read from, see [`next_signal`].
pub(crate) fn every_signal() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigfillset before use.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        set
    };
    block(&set)
}

/// A signal that was read, and who sent it: none is somebody outside of this process id namespace.
pub(crate) struct ReceivedSignal {
    pub signal: i32,
    pub sender: Option<Pid>,
}

/// The next signal, if there is one.
pub(crate) fn next_signal(signals: BorrowedFd<'_>) -> Option<ReceivedSignal> {
    let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::retry_on_intr(|| rustix::io::read(signals, &mut record[..])) {
        Ok(length) if length == record.len() => {}
        Ok(_) | Err(_) => return None,
    }
    let field = |at: usize| {
        let bytes = record[at..at + size_of::<i32>()].try_into();
        i32::from_ne_bytes(bytes.expect("four bytes"))
    };
    Some(ReceivedSignal {
        signal: field(std::mem::offset_of!(libc::signalfd_siginfo, ssi_signo)),
        sender: Pid::from_raw(field(std::mem::offset_of!(libc::signalfd_siginfo, ssi_pid))),
    })
}

/// What the dynamic linker has put together to run this program.
pub(crate) struct LoadedProgram {
    /// The linker itself, as the program names it; none for a static program.
    pub interpreter: Option<PathBuf>,
    /// Under the names that they were looked for by.
    pub libraries: Vec<PathBuf>,
}

pub(crate) fn loaded_program() -> LoadedProgram {
    /// Called for the program first, which has no name, then for what it needs.
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        loaded: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the linker passes a valid description, whose headers, interpreter and name are mapped and stay so; the
        // last argument is what `loaded_program` gave, which outlives the visit.
        unsafe {
            let (info, loaded) = (&*info, &mut *loaded.cast::<LoadedProgram>());
            let path = |text: *const libc::c_char| {
                PathBuf::from(OsStr::from_bytes(CStr::from_ptr(text).to_bytes()))
            };
            let name = if info.dlpi_name.is_null() {
                PathBuf::new()
            } else {
                path(info.dlpi_name)
            };
            if name.is_absolute() {
                loaded.libraries.push(name);
            } else if name.as_os_str().is_empty() {
                let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
                loaded.interpreter = headers
                    .iter()
                    .find(|header| header.p_type == libc::PT_INTERP)
                    .map(|header| path((info.dlpi_addr + header.p_vaddr) as *const libc::c_char));
            }
        }
        0
    }
    let mut loaded = LoadedProgram {
        interpreter: None,
        libraries: Vec::new(),
    };
    // SAFETY: `visit` keeps to the signature and the argument outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), ptr::from_mut(&mut loaded).cast()) };
    loaded
}

/// The namespace in which this one was made, if the caller may look at it.
pub(crate) fn parent_namespace(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    // SAFETY: takes no memory; a new descriptor is returned that nothing else owns.
    unsafe {
        let parent = check(libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT as _).into())?;
        Ok(OwnedFd::from_raw_fd(parent as RawFd))
    }
}

/// For kernels without `close_range`, or its flag.
pub(super) fn close_on_exec_one_by_one(first: RawFd) -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if number >= first {
            // SAFETY: only sets a flag. The listing's own descriptor is marked already.
            check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
        }
    }
    Ok(())
}
