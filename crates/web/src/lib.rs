//! The files of the web page, as `make web` built them from `web/`, in the binary.
//!
//! Each is held compressed with gzip, which every browser takes. A binary that was built without them has no page, and
//! [`file`] finds nothing.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::GzDecoder;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/packed"]
#[allow_missing = true]
struct Packed;

/// The page itself, which shows what its address names.
pub const PAGE: &str = "index.html";

/// A file of the page.
pub struct File {
    /// Its media type.
    pub content_type: &'static str,
    /// Names the content: another content has another.
    pub etag: String,
    /// Whether its name changes with its content, so that a browser may keep it for ever.
    pub is_immutable: bool,
    gzip: Cow<'static, [u8]>,
}

impl File {
    /// The content, compressed.
    pub fn into_gzip(self) -> Cow<'static, [u8]> {
        self.gzip
    }

    /// The content as it is.
    pub fn unpacked(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzDecoder::new(&*self.gzip)
            .read_to_end(&mut bytes)
            .expect("what the build compressed");
        bytes
    }
}

/// The file at that path below the root, without a slash in front.
pub fn file(path: &str) -> Option<File> {
    let found = Packed::get(&format!("{path}.gz"))?;
    let hash = found.metadata.sha256_hash();
    let hex: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(File {
        content_type: content_type(path),
        etag: format!("\"{hex}\""),
        is_immutable: has_hash(path),
        gzip: found.data,
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Whether the build put a hash of the content before the extension: `assets/index-4JWgN1eM.js`.
fn has_hash(path: &str) -> bool {
    let name = path.strip_prefix("assets/").unwrap_or("");
    let Some((stem, _)) = name.rsplit_once('.') else {
        return false;
    };
    let hash = stem.get(stem.len().saturating_sub(9)..).unwrap_or("");
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    hash.len() == 9 && hash.starts_with('-') && hash.bytes().all(is_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        let cases = [
            ("assets/index-4JWgN1eM.js", true),
            ("assets/a-b-DxE0-_3x.css", true),
            ("assets/icon.svg", false),
            ("index.html", false),
            ("index-4JWgN1eM.js", false),
            ("assets/ü-éé.js", false),
            ("assets/", false),
        ];
        for (path, expected) in cases {
            assert_eq!(has_hash(path), expected, "{path}");
        }
    }

    #[test]
    fn there_is_nothing_beside_the_page() {
        for path in ["", "..", "../package.json", "/index.html", "assets"] {
            assert!(file(path).is_none(), "{path}");
        }
    }
}
