//! `ETag` and `If-Match` of what can be edited: the revision as a strong tag.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;

/// What `If-Match` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Any revision.
    Any,
    /// This one.
    Revision(i64),
    /// One that never was: the tag is not one of ours.
    Never,
}

impl Expected {
    /// For the store: the revision that must be current, if any.
    pub(crate) fn revision(self) -> Option<i64> {
        match self {
            Self::Any => None,
            Self::Revision(revision) => Some(revision),
            Self::Never => Some(i64::MIN),
        }
    }

    fn of(text: &str) -> Self {
        let text = text.trim();
        if text == "*" {
            return Self::Any;
        }
        let number = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        number
            .and_then(|number| number.parse().ok())
            .map_or(Self::Never, Self::Revision)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self::Any);
        };
        Ok(value.to_str().map_or(Self::Never, Self::of))
    }
}

/// The tag of a revision.
pub(crate) fn etag(revision: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits in quotes")
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn only_our_own_tags_are_a_revision() {
        assert_eq!(Expected::of("\"3\""), Expected::Revision(3));
        assert_eq!(Expected::of("*"), Expected::Any);
        for other in ["3", "W/\"3\"", "\"x\"", "", "\"1\", \"2\""] {
            assert_eq!(Expected::of(other), Expected::Never, "{other}");
        }
    }
}
