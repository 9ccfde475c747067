//! The entries of a tar archive, one after the other, as a stream.

use std::io::{self, Read, Seek};

use super::UnpackError;
use super::attributes::Attributes;
use super::extended::{Extended, Piece, SparseMap, check_pieces, decimal, pieces};
use super::header::{BLOCK_BYTES, Block, Header, more_sparse, text};
use crate::limits::Limits;

/// Something in an archive; its data, if any, is read from [`Entries`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As the archive has it: nothing about it has been checked.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) attributes: Attributes,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    /// With its size, and where its data belongs if there are holes.
    File {
        size: u64,
        pieces: Option<Vec<Piece>>,
    },
    Symlink {
        target: Vec<u8>,
    },
    HardLink {
        target: Vec<u8>,
    },
    Fifo,
    Device,
}

pub(crate) struct Entries<R> {
    stream: R,
    /// Of the entry at hand.
    data_bytes: u64,
    /// After its data, up to the next block.
    padding_bytes: u64,
    headers: u64,
    headers_limit: u64,
    skip: Skip<R>,
}

/// Passes over some bytes of a stream.
type Skip<R> = fn(&mut R, u64) -> io::Result<()>;

const TRUNCATED: UnpackError = UnpackError::Archive("it ends too early");
const NUMBER: UnpackError = UnpackError::Archive("a header has a field that is no number");

impl<R: Read> Entries<R> {
    pub(crate) fn new(stream: R, headers_limit: u64) -> Self {
        Self::skipping(stream, headers_limit, |stream, bytes| {
            let skipped = io::copy(&mut stream.take(bytes), &mut io::sink())?;
            match skipped == bytes {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        })
    }

    /// Of a file: data that nobody wants is not read.
    pub(crate) fn seeking(stream: R, headers_limit: u64) -> Self
    where
        R: Seek,
    {
        Self::skipping(stream, headers_limit, |stream, bytes| {
            let bytes = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            stream.seek_relative(bytes)
        })
    }

    fn skipping(stream: R, headers_limit: u64, skip: Skip<R>) -> Self {
        Self {
            skip,
            stream,
            data_bytes: 0,
            padding_bytes: 0,
            headers: 0,
            headers_limit,
        }
    }

    /// What is left of the stream.
    pub(crate) fn into_stream(self) -> R {
        self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut R {
        &mut self.stream
    }

    /// The next entry; what is left of the data of the one before is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, UnpackError> {
        self.skip_data()?;
        let mut extended = Extended::default();
        let mut is_announced = false;
        loop {
            let Some(block) = self.block()? else {
                return if is_announced {
                    Err(TRUNCATED)
                } else {
                    Ok(None)
                };
            };
            if block.iter().all(|byte| *byte == 0) {
                return self.end(is_announced);
            }
            let header =
                Header::new(&block).ok_or(UnpackError::Archive("a header has a wrong checksum"))?;
            self.headers += 1;
            if self.headers > self.headers_limit {
                return Err(UnpackError::Entries {
                    limit: self.headers_limit,
                });
            }
            let size = header.size().ok_or(NUMBER)?;
            match header.kind() {
                b'x' => extended.take_records(&self.extended_data(size)?)?,
                // Builders note commits in it; what it says about all entries, nobody follows.
                b'g' => drop(self.extended_data(size)?),
                b'L' => extended.path = Some(text(&self.extended_data(size)?).to_vec()),
                b'K' => extended.link = Some(text(&self.extended_data(size)?).to_vec()),
                _ => return self.entry(&header, size, extended).map(Some),
            }
            is_announced = true;
        }
    }

    /// Reads data of the entry at hand; 0 at its end.
    pub(crate) fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let wanted = usize::try_from(self.data_bytes).unwrap_or(usize::MAX);
        let wanted = wanted.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.stream.read(&mut buffer[..wanted]);
        let length = read.map_err(UnpackError::reading)?;
        if length == 0 {
            return Err(TRUNCATED);
        }
        self.data_bytes -= length as u64;
        Ok(length)
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        size: u64,
        extended: Extended,
    ) -> Result<Entry, UnpackError> {
        let gnu_sparse = match header.kind() {
            b'S' => Some(self.gnu_map(header)?),
            _ => None,
        };
        let map = match gnu_sparse {
            Some(map) => Some(map),
            None => extended.sparse()?,
        };
        let path = extended.path.unwrap_or_else(|| header.path());
        let link = extended.link.unwrap_or_else(|| header.link().to_vec());
        // Before there were types, a directory was a name that ends so.
        let is_old_directory = header.kind() == 0 && path.ends_with(b"/");
        let kind = match header.kind() {
            b'5' => Kind::Directory,
            0 if is_old_directory => Kind::Directory,
            0 | b'0' | b'7' | b'S' => self.file(extended.size.unwrap_or(size), map)?,
            b'1' => Kind::HardLink { target: link },
            b'2' => Kind::Symlink { target: link },
            b'3' | b'4' => Kind::Device,
            b'6' => Kind::Fifo,
            _ => return Err(UnpackError::Archive("it has an entry of unknown type")),
        };
        let attributes = Attributes {
            mode: header.mode().ok_or(NUMBER)? & 0o7777,
            uid: extended.uid.or_else(|| header.uid()).ok_or(NUMBER)?,
            gid: extended.gid.or_else(|| header.gid()).ok_or(NUMBER)?,
            mtime: match extended.mtime {
                Some(mtime) => mtime,
                None => (header.mtime().ok_or(NUMBER)?, 0),
            },
        };
        Ok(Entry {
            path,
            kind,
            attributes,
        })
    }

    fn file(&mut self, data_bytes: u64, map: Option<SparseMap>) -> Result<Kind, UnpackError> {
        self.expect_data(data_bytes);
        let (size, pieces) = match map {
            None => {
                return Ok(Kind::File {
                    size: data_bytes,
                    pieces: None,
                });
            }
            Some(SparseMap::Here { size, pieces }) => (size, pieces),
            Some(SparseMap::BeforeData { size }) => (size, self.map_before_data()?),
        };
        check_pieces(&pieces, size, self.data_bytes)?;
        Ok(Kind::File {
            size,
            pieces: Some(pieces),
        })
    }

    /// The first places are in the header, the others in blocks after it.
    fn gnu_map(&mut self, header: &Header<'_>) -> Result<SparseMap, UnpackError> {
        let (mut pieces, mut goes_on) = header.sparse().ok_or(NUMBER)?;
        let size = header.sparse_size().ok_or(NUMBER)?;
        while goes_on {
            let block = self.block()?.ok_or(TRUNCATED)?;
            let (more, again) = more_sparse(&block).ok_or(NUMBER)?;
            pieces.extend(more);
            goes_on = again;
            if pieces.len() > Limits::SPARSE_PIECES {
                return Err(UnpackError::Archive("a sparse file has too many pieces"));
            }
        }
        Ok(SparseMap::Here { size, pieces })
    }

    /// Lines with how many pieces there are, then their offsets and lengths, filled up to a block.
    fn map_before_data(&mut self) -> Result<Vec<Piece>, UnpackError> {
        const DAMAGED: UnpackError =
            UnpackError::Archive("the map of a sparse file makes no sense");
        let mut numbers = Vec::new();
        let mut line = Vec::new();
        let mut wanted = None;
        while wanted != Some(numbers.len()) {
            let mut block = [0; BLOCK_BYTES];
            let mut filled = 0;
            while filled < BLOCK_BYTES {
                match self.read_data(&mut block[filled..])? {
                    0 => return Err(DAMAGED),
                    length => filled += length,
                }
            }
            for byte in block {
                if wanted == Some(numbers.len()) {
                    break;
                }
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let number = decimal(&line).ok_or(DAMAGED)?;
                line.clear();
                match wanted {
                    Some(_) => numbers.push(number),
                    None => {
                        let count = usize::try_from(number).map_err(|_| DAMAGED)?;
                        if count > Limits::SPARSE_PIECES {
                            return Err(DAMAGED);
                        }
                        wanted = Some(count * 2);
                    }
                }
            }
            if line.len() > 20 {
                return Err(DAMAGED);
            }
        }
        pieces(&numbers)
    }

    fn expect_data(&mut self, bytes: u64) {
        self.data_bytes = bytes;
        self.padding_bytes = (BLOCK_BYTES as u64 - bytes % BLOCK_BYTES as u64) % BLOCK_BYTES as u64;
    }

    fn skip_data(&mut self) -> Result<(), UnpackError> {
        let data_bytes = std::mem::take(&mut self.data_bytes);
        let bytes = data_bytes.saturating_add(std::mem::take(&mut self.padding_bytes));
        if bytes == 0 {
            return Ok(());
        }
        (self.skip)(&mut self.stream, bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TRUNCATED,
            _ => UnpackError::reading(error),
        })
    }

    fn extended_data(&mut self, size: u64) -> Result<Vec<u8>, UnpackError> {
        if size > Limits::EXTENDED_HEADER_BYTES {
            return Err(UnpackError::ExtendedHeader);
        }
        self.expect_data(size);
        let mut data = vec![0; usize::try_from(size).expect("checked above")];
        let mut filled = 0;
        while filled < data.len() {
            filled += self.read_data(&mut data[filled..])?;
        }
        self.skip_data()?;
        Ok(data)
    }

    /// `None` at the end of the stream.
    fn block(&mut self) -> Result<Option<Block>, UnpackError> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(TRUNCATED),
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::reading(error)),
            }
        }
        Ok(Some(block))
    }

    /// After a block of zeros: another, or nothing.
    fn end(&mut self, is_announced: bool) -> Result<Option<Entry>, UnpackError> {
        match self.block()? {
            Some(block) if block.iter().any(|byte| *byte != 0) => {
                Err(UnpackError::Archive("it goes on after its end"))
            }
            Some(_) | None if is_announced => Err(TRUNCATED),
            Some(_) | None => Ok(None),
        }
    }
}
