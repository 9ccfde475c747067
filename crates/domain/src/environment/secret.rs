//! Secrets of an environment: variables of its setup and maintenance scripts.

use super::{InvalidEnvironment, invalid, is_variable_name};
use crate::limits;
use crate::time::Timestamp;

/// A secret of an environment, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// The variable that setup and maintenance find it in.
    pub name: String,
    /// Rises whenever the value is set; part of the key of snapshots.
    pub version: i64,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// Checks the name and value of a secret, and that no variable has the name.
pub fn check_secret(
    name: &str,
    value: &str,
    variables: &[(String, String)],
) -> Result<(), InvalidEnvironment> {
    if !is_variable_name(name) {
        return invalid(
            "secrets",
            &format!("`{name}` is not a variable name: use letters, digits and `_`"),
        );
    }
    if variables.iter().any(|(variable, _)| variable == name) {
        return invalid("secrets", &format!("`{name}` is a variable already"));
    }
    if value.is_empty() || value.len() > limits::SECRET_BYTES || value.contains('\0') {
        let most = limits::SECRET_BYTES;
        return invalid(
            "secrets",
            &format!("the value of `{name}` must have 1 to {most} bytes and no NUL"),
        );
    }
    Ok(())
}
