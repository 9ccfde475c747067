//! A row of `results`: what the last worker that finished an attempt handed in.

use outwork_domain::{Attempt, Epoch, ObjectKey};

use crate::attempt_row::AttemptRow;
use crate::error::StoreError;
use crate::record::{AttemptRecord, AttemptResult, DiffStat, StoredDiff, Tokens};
use crate::sql::{Row, Value, count, id, values};
use crate::store::Tx;

/// `SELECT` of what [`read_record`] wants, up to where `WHERE` follows.
macro_rules! select_attempt_records {
    () => {
        concat!(
            "SELECT ",
            $crate::attempt_row::attempt_columns!(),
            ", r.epoch AS r_epoch, r.diff_key, r.files_changed, r.lines_added, r.lines_removed, \
             r.diff_size_bytes, r.session_key, r.message, r.tokens \
             FROM attempts a LEFT JOIN results r ON r.attempt_id = a.id "
        )
    };
}
pub(crate) use select_attempt_records;

/// An attempt and its result, from [`select_attempt_records`].
pub(crate) fn read_record(row: &Row) -> Result<AttemptRecord, StoreError> {
    let AttemptRow {
        attempt, worker, ..
    } = AttemptRow::read(row)?;
    let result = match row.opt_int("r_epoch")? {
        Some(epoch) => Some(read_result(row, Epoch::new(epoch))?),
        None => None,
    };
    Ok(AttemptRecord {
        attempt,
        worker,
        result,
    })
}

fn read_result(row: &Row, epoch: Epoch) -> Result<AttemptResult, StoreError> {
    let diff = match row.opt_text("diff_key")? {
        Some(key) => Some(StoredDiff {
            key: ObjectKey::from_stored(key),
            stat: DiffStat {
                files_changed: row.number("files_changed")?,
                lines_added: row.number("lines_added")?,
                lines_removed: row.number("lines_removed")?,
            },
            size_bytes: row.number("diff_size_bytes")?,
        }),
        None => None,
    };
    Ok(AttemptResult {
        epoch,
        diff,
        session: row.opt_text("session_key")?.map(ObjectKey::from_stored),
        message: row.opt_text("message")?,
        tokens: row
            .opt_text("tokens")?
            .map(|text| tokens_from_json(&text))
            .transpose()?,
    })
}

/// Stores what the claim `epoch` handed in, in place of what an earlier one did.
pub(crate) async fn write_result(
    tx: &mut Tx<'_>,
    attempt: &Attempt,
    epoch: Epoch,
    result: &AttemptResult,
) -> Result<(), StoreError> {
    const UPSERT: &str = "INSERT INTO results (attempt_id, epoch, diff_key, files_changed, \
         lines_added, lines_removed, diff_size_bytes, session_key, message, tokens) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (attempt_id) DO UPDATE SET epoch = excluded.epoch, \
         diff_key = excluded.diff_key, files_changed = excluded.files_changed, \
         lines_added = excluded.lines_added, lines_removed = excluded.lines_removed, \
         diff_size_bytes = excluded.diff_size_bytes, session_key = excluded.session_key, \
         message = excluded.message, tokens = excluded.tokens";
    let AttemptResult {
        epoch: _,
        diff,
        session,
        message,
        tokens,
    } = result;
    let absent = || Value::Int(None);
    let [files, added, removed, size] = match diff {
        Some(StoredDiff {
            key: _,
            stat,
            size_bytes,
        }) => [
            count(stat.files_changed),
            count(stat.lines_added),
            count(stat.lines_removed),
            count(*size_bytes),
        ],
        None => [absent(), absent(), absent(), absent()],
    };
    let values = values![
        id(attempt.id),
        epoch.get(),
        diff.as_ref().map(|diff| diff.key.as_str()),
        files,
        added,
        removed,
        size,
        session.as_ref().map(ObjectKey::as_str),
        message.as_deref(),
        tokens.as_ref().map(tokens_to_json)
    ];
    tx.execute(UPSERT, values).await?;
    Ok(())
}

fn tokens_to_json(tokens: &Tokens) -> String {
    let Tokens {
        input,
        cached_input,
        output,
        reasoning,
        uncounted_calls,
    } = tokens;
    serde_json::json!({
        "input": input,
        "cached_input": cached_input,
        "output": output,
        "reasoning": reasoning,
        "uncounted_calls": uncounted_calls,
    })
    .to_string()
}

fn tokens_from_json(text: &str) -> Result<Tokens, StoreError> {
    let corrupt = || StoreError::corrupt("tokens");
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| corrupt())?;
    let number = |name: &str| json[name].as_u64().ok_or_else(corrupt);
    Ok(Tokens {
        input: number("input")?,
        cached_input: number("cached_input")?,
        output: number("output")?,
        reasoning: number("reasoning")?,
        uncounted_calls: number("uncounted_calls")?,
    })
}
