//! Rows of `results` and `result_diffs`: what the last worker that finished an attempt handed in.

use std::collections::HashMap;

use outwork_domain::agent::AgentName;
use outwork_domain::evidence::Evidence;
use outwork_domain::{AttemptId, Epoch, ObjectKey};

use crate::attempt_row::AttemptRow;
use crate::error::StoreError;
use crate::evidence_json;
use crate::prices_json;
use crate::record::{AttemptRecord, AttemptResult, DiffStat, FurtherDiff, StoredDiff, Tokens};
use crate::sql::{Conn, Row, Sql, Value, count, id, in_json, json_array, values};
use crate::store::Tx;
use crate::task_row::first_repository;

/// `SELECT` of what [`read_records`] wants, up to where `WHERE` follows.
macro_rules! select_attempt_records {
    () => {
        concat!(
            "SELECT ",
            $crate::attempt_row::attempt_columns!(),
            ", r.epoch AS r_epoch, r.diff_key, r.files_changed, r.lines_added, r.lines_removed, \
             r.diff_size_bytes, r.session_key, r.message, r.tokens, r.evidence, r.prices, t.repository_name, \
             e.repository_url, e.agent AS environment_agent FROM attempts a JOIN tasks t ON t.id = a.task_id \
             JOIN environments e ON e.id = t.environment_id \
             LEFT JOIN results r ON r.attempt_id = a.id "
        )
    };
}
pub(crate) use select_attempt_records;

/// Attempts and their results, from [`select_attempt_records`]: one statement more, however many
/// they are.
pub(crate) async fn read_records(
    conn: &mut Conn<'_>,
    rows: &[Row],
) -> Result<Vec<AttemptRecord>, StoreError> {
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let AttemptRow {
            attempt,
            worker,
            isolation,
            ..
        } = AttemptRow::read(row)?;
        let result = match row.opt_int("r_epoch")? {
            Some(epoch) => Some(read_result(row, Epoch::new(epoch))?),
            None => None,
        };
        records.push(AttemptRecord {
            attempt,
            worker,
            isolation,
            result,
            prices: prices_json::read(row)?,
            repository: first_repository(row)?,
            environment_agent: AgentName::parse(row.str("environment_agent")?)
                .ok_or_else(|| StoreError::corrupt("agent"))?,
        });
    }
    let ended = records.iter().filter(|record| record.result.is_some());
    let ids: Vec<_> = ended.map(|record| record.attempt.id).collect();
    if ids.is_empty() {
        return Ok(records);
    }
    let mut further = further_diffs(conn, ids.into_iter()).await?;
    for record in &mut records {
        if let Some(result) = &mut record.result {
            result.further_diffs = further.remove(&record.attempt.id).unwrap_or_default();
        }
    }
    Ok(records)
}

fn read_result(row: &Row, epoch: Epoch) -> Result<AttemptResult, StoreError> {
    let diff = match row.opt_text("diff_key")? {
        Some(key) => Some(read_diff(row, key)?),
        None => None,
    };
    Ok(AttemptResult {
        epoch,
        diff,
        further_diffs: Vec::new(),
        session: row.opt_text("session_key")?.map(ObjectKey::from_stored),
        message: row.opt_text("message")?,
        tokens: row
            .opt_text("tokens")?
            .map(|text| tokens_from_json(&text))
            .transpose()?,
        evidence: match row.opt_text("evidence")? {
            Some(json) => evidence_json::from_json(&json)?,
            None => Evidence::default(),
        },
    })
}

async fn further_diffs(
    conn: &mut Conn<'_>,
    attempts: impl Iterator<Item = AttemptId>,
) -> Result<HashMap<AttemptId, Vec<FurtherDiff>>, StoreError> {
    const SELECT: Sql = in_json!(
        "SELECT attempt_id, repository, diff_key, files_changed, lines_added, lines_removed, \
         diff_size_bytes FROM result_diffs WHERE attempt_id",
        "$1",
        "ORDER BY attempt_id, number"
    );
    let mut of_attempt: HashMap<_, Vec<_>> = HashMap::new();
    for row in conn.rows(SELECT, values![json_array(attempts)]).await? {
        let diff = FurtherDiff {
            repository: row.text("repository")?,
            diff: read_diff(&row, row.text("diff_key")?)?,
        };
        let attempt = row.parsed("attempt_id")?;
        of_attempt.entry(attempt).or_default().push(diff);
    }
    Ok(of_attempt)
}

fn read_diff(row: &Row, key: String) -> Result<StoredDiff, StoreError> {
    Ok(StoredDiff {
        key: ObjectKey::from_stored(key),
        stat: DiffStat {
            files_changed: row.number("files_changed")?,
            lines_added: row.number("lines_added")?,
            lines_removed: row.number("lines_removed")?,
        },
        size_bytes: row.number("diff_size_bytes")?,
    })
}

/// Whether an attempt has a result already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    None,
    Perhaps,
}

/// Stores what the claim `epoch` handed in, in place of what an earlier one did.
pub(crate) async fn write_result(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    epoch: Epoch,
    result: &AttemptResult,
    earlier: Earlier,
) -> Result<(), StoreError> {
    const UPSERT: &str = "INSERT INTO results (attempt_id, epoch, diff_key, files_changed, \
         lines_added, lines_removed, diff_size_bytes, session_key, message, tokens, evidence, prices) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $10 IS NULL THEN NULL ELSE \
         (SELECT m.prices FROM models m JOIN attempts a ON a.workspace_id = m.workspace_id \
         WHERE a.id = $1 AND a.agent_model IS NULL) END) \
         ON CONFLICT (attempt_id) DO UPDATE SET epoch = excluded.epoch, \
         diff_key = excluded.diff_key, files_changed = excluded.files_changed, \
         lines_added = excluded.lines_added, lines_removed = excluded.lines_removed, \
         diff_size_bytes = excluded.diff_size_bytes, session_key = excluded.session_key, \
         message = excluded.message, tokens = excluded.tokens, evidence = excluded.evidence, \
         prices = excluded.prices";
    let AttemptResult {
        epoch: _,
        diff,
        further_diffs,
        session,
        message,
        tokens,
        evidence,
    } = result;
    let absent = || Value::Int(None);
    let [files, added, removed, size] = match diff {
        Some(diff) => sizes(diff),
        None => [absent(), absent(), absent(), absent()],
    };
    let values = values![
        id(attempt),
        epoch.get(),
        diff.as_ref().map(|diff| diff.key.as_str()),
        files,
        added,
        removed,
        size,
        session.as_ref().map(ObjectKey::as_str),
        message.as_deref(),
        tokens.as_ref().map(tokens_to_json),
        (*evidence != Evidence::default()).then(|| evidence_json::to_json(evidence))
    ];
    tx.later(UPSERT, values).await?;
    if earlier == Earlier::Perhaps {
        const FORGET: &str = "DELETE FROM result_diffs WHERE attempt_id = $1";
        tx.later(FORGET, values![id(attempt)]).await?;
    }
    write_further(tx, attempt, further_diffs).await
}

async fn write_further(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    diffs: &[FurtherDiff],
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO result_diffs (attempt_id, number, repository, diff_key, \
         files_changed, lines_added, lines_removed, diff_size_bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    for (number, FurtherDiff { repository, diff }) in (1..).zip(diffs) {
        let mut values = values![id(attempt), count(number), repository, diff.key.as_str()];
        values.extend(sizes(diff));
        tx.later(INSERT, values).await?;
    }
    Ok(())
}

fn sizes(diff: &StoredDiff) -> [Value<'static>; 4] {
    let StoredDiff {
        key: _,
        stat:
            DiffStat {
                files_changed,
                lines_added,
                lines_removed,
            },
        size_bytes,
    } = diff;
    [
        count(*files_changed),
        count(*lines_added),
        count(*lines_removed),
        count(*size_bytes),
    ]
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

pub(crate) fn tokens_from_json(text: &str) -> Result<Tokens, StoreError> {
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
