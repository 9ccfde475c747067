//! A tunnel whose bytes stay in the kernel: splice(2) from one socket through a pipe to the other. The first bytes of each direction are
//! copied, so that short tunnels need no pipe; so is everything where the kernel cannot splice.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::{AsyncRead, AsyncReadExt, Interest};
use tokio::net::{TcpStream, UnixStream};

use super::budget::Budget;
use super::journal::Passed;
use super::stream::Activity;

/// Copied before the first splice.
const COPIED_FIRST_BYTES: u64 = 256 << 10;
/// Of a first read; it doubles while reads fill it.
const SMALL_BUFFER_BYTES: usize = 4 << 10;
const COPY_BUFFER_BYTES: usize = 32 << 10;
/// More than the default of 64 KiB, less than what an ordinary user may have in all.
const PIPE_BYTES: usize = 256 << 10;

/// Passes bytes in both directions until both have ended, or one failed.
pub(super) async fn pass(
    mut client: UnixStream,
    mut server: TcpStream,
    activity: &Activity,
    passed: &Passed,
    budget: Option<&Budget>,
) -> io::Result<()> {
    let (mut from_client, client) = client.split();
    let (mut from_server, server) = server.split();
    let client = Socket::Unix(client.as_ref());
    let server = Socket::Tcp(server.as_ref());
    let up = Direction {
        from: client,
        to: server,
        activity,
        passed: &passed.up,
        budget,
    };
    let down = Direction {
        from: server,
        to: client,
        activity,
        passed: &passed.down,
        budget: None,
    };
    tokio::try_join!(up.run(&mut from_client), down.run(&mut from_server))?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Socket<'a> {
    Unix(&'a UnixStream),
    Tcp(&'a TcpStream),
}

struct Direction<'a> {
    from: Socket<'a>,
    to: Socket<'a>,
    activity: &'a Activity,
    passed: &'a AtomicU64,
    budget: Option<&'a Budget>,
}

/// Whether a direction is at its end.
enum Way {
    Ended,
    /// As much as was wanted has passed.
    Open,
    /// The kernel does not splice these.
    CannotSplice,
}

impl Direction<'_> {
    /// `source` is the reading side of what it comes from.
    async fn run(&self, source: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        if let Way::Open = self.copy(source, COPIED_FIRST_BYTES).await?
            && let Way::CannotSplice = self.splice().await?
        {
            self.copy(source, u64::MAX).await?;
        }
        self.to.end()
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        self.activity.note();
        self.passed.fetch_add(bytes as u64, Ordering::Relaxed);
        match self.budget.is_none_or(|budget| budget.spend(bytes as u64)) {
            true => Ok(()),
            false => Err(io::ErrorKind::QuotaExceeded.into()),
        }
    }

    async fn copy(&self, source: &mut (impl AsyncRead + Unpin), at_least: u64) -> io::Result<Way> {
        let mut buffer = vec![0; SMALL_BUFFER_BYTES];
        let mut copied = 0;
        while copied < at_least {
            let read = source.read(&mut buffer).await?;
            if read == 0 {
                return Ok(Way::Ended);
            }
            self.count(read)?;
            self.to.write_all(&buffer[..read]).await?;
            copied += read as u64;
            if read == buffer.len() && read < COPY_BUFFER_BYTES {
                buffer.resize(2 * read, 0);
            }
        }
        Ok(Way::Open)
    }

    async fn splice(&self) -> io::Result<Way> {
        let Ok(pipe) = Pipe::new() else {
            // Out of descriptors: slower is better than not at all.
            return Ok(Way::CannotSplice);
        };
        loop {
            let filled = match self.from.splice_into(&pipe).await {
                Ok(0) => return Ok(Way::Ended),
                Ok(filled) => filled,
                Err(error) if cannot_splice(&error) => return Ok(Way::CannotSplice),
                Err(error) => return Err(error),
            };
            self.count(filled)?;
            let mut left = filled;
            while left > 0 {
                match self.to.splice_out_of(&pipe, left).await {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => left -= written,
                    Err(error) if cannot_splice(&error) => {
                        self.drain(&pipe, left).await?;
                        return Ok(Way::CannotSplice);
                    }
                    Err(error) => return Err(error),
                }
                self.activity.note();
            }
        }
    }

    /// What is in the pipe already, copied.
    async fn drain(&self, pipe: &Pipe, bytes: usize) -> io::Result<()> {
        let mut buffer = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            // It is there: this cannot block.
            let read = rustix::io::read(&pipe.reader, &mut buffer[filled..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
        }
        self.to.write_all(&buffer).await
    }
}

fn cannot_splice(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A limit of the machine may forbid it.
        let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
        Ok(Self { reader, writer })
    }
}

fn spliced(from: impl AsFd, to: impl AsFd, bytes: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(splice(from, None, to, None, bytes, flags)?)
}

impl Socket<'_> {
    async fn write_all(self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::Unix(stream) => {
                    let once = || Ok(send(stream, bytes)?);
                    stream.async_io(Interest::WRITABLE, once).await
                }
                Self::Tcp(stream) => {
                    let once = || Ok(send(stream, bytes)?);
                    stream.async_io(Interest::WRITABLE, once).await
                }
            };
            bytes = &bytes[written?..];
        }
        Ok(())
    }

    async fn splice_into(self, pipe: &Pipe) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => {
                let once = || spliced(stream, &pipe.writer, PIPE_BYTES);
                stream.async_io(Interest::READABLE, once).await
            }
            Self::Tcp(stream) => {
                let once = || spliced(stream, &pipe.writer, PIPE_BYTES);
                stream.async_io(Interest::READABLE, once).await
            }
        }
    }

    async fn splice_out_of(self, pipe: &Pipe, bytes: usize) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => {
                let once = || spliced(&pipe.reader, stream, bytes);
                stream.async_io(Interest::WRITABLE, once).await
            }
            Self::Tcp(stream) => {
                let once = || spliced(&pipe.reader, stream, bytes);
                stream.async_io(Interest::WRITABLE, once).await
            }
        }
    }

    /// Tells the other side that nothing more comes.
    fn end(self) -> io::Result<()> {
        use rustix::net::{Shutdown, shutdown};
        let ended = match self {
            Self::Unix(stream) => shutdown(stream, Shutdown::Write),
            Self::Tcp(stream) => shutdown(stream, Shutdown::Write),
        };
        match ended {
            // It left first.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// No signal when the other side is gone.
fn send(socket: impl AsFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL)
}
