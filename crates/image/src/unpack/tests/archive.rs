//! Archives as nobody's program would write them.

/// A tar archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Tar(Vec<u8>);

/// A record of an extended header.
pub(crate) fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length += 1;
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An entry whose header is changed at will before its checksum is made.
    pub(crate) fn raw(
        mut self,
        kind: u8,
        name: &[u8],
        link: &[u8],
        data: &[u8],
        change: impl FnOnce(&mut [u8; 512]),
    ) -> Self {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..107].copy_from_slice(b"0000755");
        header[108..115].copy_from_slice(b"0000001");
        header[116..123].copy_from_slice(b"0000002");
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000001750");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        change(&mut header);
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(header);
        self.data(data)
    }

    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.raw(b'0', name.as_bytes(), b"", data, |_| {})
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.raw(b'5', name.as_bytes(), b"", b"", |_| {})
    }

    pub(crate) fn mode(self, kind: u8, name: &str, mode: u32) -> Self {
        self.raw(kind, name.as_bytes(), b"", b"", |header| {
            header[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
        })
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(b'2', name.as_bytes(), target.as_bytes(), b"", |_| {})
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(b'1', name.as_bytes(), target.as_bytes(), b"", |_| {})
    }

    pub(crate) fn extended(self, records: &[Vec<u8>]) -> Self {
        self.raw(b'x', b"pax", b"", &records.concat(), |_| {})
    }

    /// With the two blocks of zeros at its end.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    pub(crate) fn without_end(self) -> Vec<u8> {
        self.0
    }
}
