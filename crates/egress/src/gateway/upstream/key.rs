//! The key of the model's endpoint.

use std::fmt;
use std::sync::Arc;

use hyper::header::HeaderValue;

use super::super::mask;
use super::ConfigError;

/// The real key. `Debug` and `Display` print `****`.
#[derive(Clone)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// White space around the key, such as the final newline of a file, is not
    /// part of it.
    ///
    /// # Errors
    /// The key is empty or cannot stand in an HTTP header.
    pub fn new(key: &str) -> Result<Self, ConfigError> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::Key);
        }
        Ok(Self(key.into()))
    }

    pub(in crate::gateway) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(in crate::gateway) fn bearer(&self) -> HeaderValue {
        sensitive(&format!("Bearer {}", self.0))
    }

    pub(in crate::gateway) fn plain(&self) -> HeaderValue {
        sensitive(&self.0)
    }

    /// Local models get keys like "dummy", which are words that answers may hold.
    pub(in crate::gateway) fn is_unmistakable(&self) -> bool {
        self.0.len() >= 16
    }

    pub(in crate::gateway) fn is_in(&self, bytes: &[u8]) -> bool {
        self.is_unmistakable() && mask::find(bytes, self.bytes()).is_some()
    }
}

fn sensitive(value: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(value).expect("a key is visible ASCII");
    value.set_sensitive(true);
    value
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_checked_and_not_printed() {
        let key = ApiKey::new(" sk-canary-0123456789\n").unwrap();
        assert_eq!(key.bytes(), b"sk-canary-0123456789");
        assert_eq!(
            format!("{key} {key:?} {:?}", key.bearer()),
            "**** **** Sensitive"
        );
        for wrong in ["", " \n", "two words", "new\nline", "ключ"] {
            assert!(
                matches!(ApiKey::new(wrong), Err(ConfigError::Key)),
                "{wrong:?}"
            );
        }
    }
}
