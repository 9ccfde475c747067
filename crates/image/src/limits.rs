//! How large an image may be.

/// Whoever builds an image is not trusted with the worker's memory and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a manifest, an index or a configuration.
    pub document_bytes: u64,
    /// Of an image.
    pub layers: usize,
    /// Files, directories, links and whiteouts of a layer.
    pub entries_per_layer: u64,
    /// Of all layers of an image together: what their archives hold when they are decompressed, holes of sparse
    /// files included, and a block of 4 KiB for everything in them, however little an archive needs to say it.
    pub unpacked_bytes: u64,
}

impl Limits {
    /// Of a path inside a layer: what a system call takes.
    pub(crate) const PATH_BYTES: usize = 4095;
    /// Of a part of a path.
    pub(crate) const NAME_BYTES: usize = 255;
    /// Of the header blocks that hold what does not fit into one.
    pub(crate) const EXTENDED_HEADER_BYTES: u64 = 1024 * 1024;
    /// Pieces of a sparse file.
    pub(crate) const SPARSE_PIECES: usize = 65_536;
    /// Directories' paths of a layer, which are remembered until its end.
    pub(crate) const DIRECTORIES_BYTES: usize = 64 * 1024 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 4 * 1024 * 1024,
            layers: 127,
            entries_per_layer: 2_000_000,
            unpacked_bytes: 64 * 1024 * 1024 * 1024,
        }
    }
}
