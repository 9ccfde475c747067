//! The one socket between the worker, the launcher and the first process.
//!
//! Messages are packets of JSON, some with descriptors. The worker holds one end, the launcher and the first process the
//! other: when the worker is gone, both see the end of it. That is the lifeline.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::SandboxError;
use crate::limit_hit::LimitHit;
use crate::running::ExitStatus;

/// Descriptors in one packet, and so listeners of one sandbox.
pub(crate) const MAX_DESCRIPTORS: usize = 64;
const MAX_PACKET_BYTES: usize = 64 << 10;

/// From launcher or first process to the worker, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// Descriptor: a pidfd of the first process. Sources whose owner was changed and must be changed back.
    Created {
        pid_namespace: u64,
        init_pid: i32,
        changed: Vec<std::path::PathBuf>,
    },
    /// Descriptors: one listening socket for each forward, in order.
    Listening,
    /// Descriptors: one directory for each handle, in order.
    Handles,
    /// The command runs.
    Started,
    /// From the launcher, at any time until it ends.
    LimitHit(LimitHit),
    /// The command ended; everything else in the sandbox ends now.
    Exited(ExitStatus),
    /// No sandbox, and why.
    Failed(SandboxError),
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// Descriptors: a file that holds the plan, and the command's standard input. First, to the launcher.
    Plan,
    /// Send this signal to the command's process group. To the first process, after `Started`.
    Signal(i32),
}

/// From the first process to the launcher: what the launcher cannot open from outside.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToLauncher {
    /// Descriptors: a `/proc` of the sandbox; the list of System V shared memory, if there is one; memory file systems that
    /// the command can write.
    Inside { has_segments: bool },
    /// Descriptors: more of the last kind.
    MemoryFileSystems,
    /// From here on what runs inside is the command's, and can be looked into.
    Started,
}

/// The worker's end and the sandbox's end.
pub(crate) fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

pub(crate) fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[impl AsFd],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    let sent = rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(&bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
    })?;
    debug_assert_eq!(sent, bytes.len(), "a packet is sent whole or not at all");
    Ok(())
}

/// The next packet, or `None` when the other side is gone.
pub(crate) fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_PACKET_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    });
    let length = match received {
        Ok(received) => received.bytes,
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(error) => return Err(error.into()),
    };
    if length == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(Some((
        serde_json::from_slice(&bytes[..length])?,
        descriptors,
    )))
}
