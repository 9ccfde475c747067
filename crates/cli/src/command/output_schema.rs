//! What the answer has to look like.

use std::io::Read;

use clap::Args;
use outwork_api::output_schema::OutputSchema;
use outwork_domain::limits::OUTPUT_SCHEMA_BYTES;
use serde_json::Value;

use crate::error::CliError;
use crate::session::Session;

/// The schema, for commands that submit a prompt.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputSchemaArgs {
    /// Ask for an answer in JSON that matches this JSON Schema, a file or the schema itself; another answer fails the
    /// attempt. With --wait the answer is all that is printed on standard output
    #[arg(long = "output-schema", value_name = "FILE|JSON")]
    pub given: Option<String>,
}

impl OutputSchemaArgs {
    /// The schema, which the server will take.
    pub(super) fn read(&self, session: &Session) -> Result<Option<Value>, CliError> {
        let Some(given) = &self.given else {
            return Ok(None);
        };
        // No name of a file begins like this but one that somebody can write as `./{…`.
        let (text, place) = match given.trim_start().starts_with('{') {
            true => (given.clone(), "the output schema".to_owned()),
            false => (file(session, given)?, given.clone()),
        };
        let schema = OutputSchema::parse(&text).map_err(|fault| {
            CliError::usage(format!(
                "{place} cannot be used as the output schema: {fault}"
            ))
            .code("bad_schema")
            .hint("docs/scripts.md says which keywords of JSON Schema are checked")
        })?;
        Ok(Some(schema.json().clone()))
    }
}

/// No more of it than tells that it is too large.
fn file(session: &Session, name: &str) -> Result<String, CliError> {
    let most = OUTPUT_SCHEMA_BYTES as u64 + 1;
    let bad = |what: String| {
        CliError::usage(format!("the output schema {name} {what}")).code("bad_schema")
    };
    let mut bytes = Vec::new();
    std::fs::File::open(session.current_dir.join(name))
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| bad("cannot be read".to_owned()).source(error))?;
    if bytes.len() > OUTPUT_SCHEMA_BYTES {
        let what = format!("is too large; at most {OUTPUT_SCHEMA_BYTES} bytes are taken");
        return Err(bad(what));
    }
    String::from_utf8(bytes).map_err(|_| bad("is not text in UTF-8".to_owned()))
}
