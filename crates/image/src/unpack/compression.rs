//! From a blob to the archive in it. Builders mislabel layers, so the first bytes tell how one is compressed.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::UnpackError;

const BUFFER_BYTES: usize = 64 * 1024;

/// The archive in a layer's blob, decompressed as it is read.
pub(crate) fn decompress<'a>(blob: impl Read + 'a) -> Result<Box<dyn Read + 'a>, UnpackError> {
    let (start, blob) = peek(blob).map_err(UnpackError::reading)?;
    match start {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(blob))),
        [0x28, 0xb5, 0x2f, 0xfd] => Ok(Box::new(Frames::new(blob))),
        start if is_skipped(start) => Ok(Box::new(Frames::new(blob))),
        [b'B', b'Z', b'h', _] => Err(UnpackError::Compression("bzip2")),
        [0xfd, b'7', b'z', b'X'] => Err(UnpackError::Compression("xz")),
        [0x04, 0x22, 0x4d, 0x18] => Err(UnpackError::Compression("lz4")),
        _ => Ok(Box::new(blob)),
    }
}

type Peeked<R> = BufReader<io::Chain<io::Cursor<Vec<u8>>, R>>;

/// The first four bytes (zeros where there are none), and everything.
fn peek<R: Read>(mut from: R) -> io::Result<([u8; 4], Peeked<R>)> {
    let mut bytes = Vec::with_capacity(4);
    from.by_ref().take(4).read_to_end(&mut bytes)?;
    let mut start = [0; 4];
    start[..bytes.len()].copy_from_slice(&bytes);
    let all = io::Cursor::new(bytes).chain(from);
    Ok((start, BufReader::with_capacity(BUFFER_BYTES, all)))
}

/// Whether a frame of zstd holds nothing of the content; builders note there where files begin.
fn is_skipped(start: [u8; 4]) -> bool {
    u32::from_le_bytes(start) & 0xffff_fff0 == 0x184d_2a50
}

/// All frames of a zstd stream, one after the other.
struct Frames<R> {
    from: R,
    decoder: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            // It refuses what would take more than 128 MiB of memory.
            decoder: FrameDecoder::new(),
            is_inside: false,
        }
    }

    /// Goes to the beginning of the next frame with content; whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.from.fill_buf()?.is_empty() {
            let mut start = [0; 4];
            self.from.read_exact(&mut start)?;
            if !is_skipped(start) {
                let frame = start.chain(&mut self.from);
                self.decoder.init(frame).map_err(io::Error::other)?;
                return Ok(true);
            }
            let mut length = [0; 4];
            self.from.read_exact(&mut length)?;
            let length = u64::from(u32::from_le_bytes(length));
            if io::copy(&mut self.from.by_ref().take(length), &mut io::sink())? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_inside && !self.begin()? {
                return Ok(0);
            }
            self.is_inside = true;
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                self.is_inside = false;
                continue;
            }
            self.decoder
                .decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(blob: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let mut out = Vec::new();
        let mut archive = decompress(blob)?;
        archive
            .read_to_end(&mut out)
            .map_err(UnpackError::reading)?;
        Ok(out)
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_of_several_parts_are_one_content() {
        let long = b"some words ".repeat(100_000);
        let skipped = [
            &0x184d_2a5f_u32.to_le_bytes()[..],
            &3_u32.to_le_bytes(),
            b"abc",
        ]
        .concat();
        for blob in [
            long.clone(),
            gzip(&long),
            [gzip(&long[..1000]), gzip(&long[1000..])].concat(),
            zstd(&long),
            [
                skipped.clone(),
                zstd(&long[..1000]),
                skipped.clone(),
                zstd(&long[1000..]),
                skipped.clone(),
            ]
            .concat(),
        ] {
            assert!(read(&blob).unwrap() == long);
        }
        for short in [&b""[..], b"a", b"abc"] {
            assert_eq!(read(short).unwrap(), short);
        }
        assert_eq!(read(&skipped).unwrap(), b"");
    }

    #[test]
    fn what_is_cut_or_goes_on_is_an_error() {
        let long = b"some words ".repeat(100_000);
        for blob in [gzip(&long), zstd(&long)] {
            for end in [3, 5, 12, blob.len() / 2, blob.len() - 1] {
                // A stream of less than its first bytes is no stream of that kind.
                assert!(read(&blob[..end]).is_err() || end == 3, "{end}");
            }
            assert!(read(&[&blob[..], b"garbage"].concat()).is_err());
        }
        for (blob, name) in [(&b"BZh91"[..], "bzip2"), (b"\xfd7zXZ\0", "xz")] {
            assert!(matches!(read(blob), Err(UnpackError::Compression(found)) if found == name));
        }
        // A window of 3.75 TiB.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0];
        assert!(read(&greedy).is_err());
    }
}
