//! Texts that are shown to nobody.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key or password. Goes over the wire as it is; prints as `****`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Secret(String);

impl Secret {
    /// A secret of that text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent or sealed, never to be logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::NewModel;

    #[test]
    fn it_travels_and_is_not_printed() {
        let text = r#"{"base_url":"http://x/v1","name":"m","api_key":"sk-canary"}"#;
        let model: NewModel = serde_json::from_str(text).expect("a model");
        assert_eq!(serde_json::to_string(&model).expect("plain data"), text);
        let printed = format!("{model:?} {model:#?}");
        assert!(
            printed.contains("****") && !printed.contains("canary"),
            "{printed}"
        );
    }
}
