//! Changes that are put off and run as one statement: each would else be a round trip.
//!
//! `WITH a AS (INSERT …), b AS (UPDATE …) SELECT …` runs them all on one view of the database, so
//! none sees what another does; foreign keys are checked at its end. One that changes a table that
//! another changes begins a statement of its own, but for inserts, which add rows of their own.

use std::fmt::Write as _;

use outwork_domain::attempt::Refused;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row as _};

use crate::error::StoreError;
use crate::sql::{Sql, Value, bound};

/// An `INSERT`, `UPDATE` or `DELETE` without `RETURNING`.
#[derive(Debug)]
pub(crate) struct LaterChange {
    pub(crate) sql: Sql,
    pub(crate) values: Vec<Value<'static>>,
    /// What it means if it does not hit exactly one row; `None`: nothing.
    pub(crate) missed: Option<Refused>,
}

/// What was put off.
#[derive(Debug, Default)]
pub(super) struct Later(Vec<LaterChange>);

impl Later {
    /// Whether it may run in one statement with those before.
    pub(super) fn takes(&self, change: &LaterChange) -> bool {
        let (table, inserts) = target(change.sql.postgres);
        self.0.iter().all(|before| {
            let (other, other_inserts) = target(before.sql.postgres);
            other != table || (inserts && other_inserts)
        })
    }

    pub(super) fn push(&mut self, change: LaterChange) {
        self.0.push(change);
    }

    pub(super) fn take(&mut self) -> Vec<LaterChange> {
        std::mem::take(&mut self.0)
    }
}

/// All of them as one statement, whose one row [`check`] reads.
pub(super) fn joined(changes: &mut [LaterChange]) -> Query<'static, Postgres, PgArguments> {
    let (mut with, mut select) = (String::from("WITH "), String::from(" SELECT 0 AS of_none"));
    let mut values = Vec::new();
    for (number, change) in changes.iter_mut().enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        write!(with, "{comma}c{number} AS (").expect(TEXT);
        renumber(&mut with, change.sql.postgres, values.len());
        if change.missed.is_some() {
            with.push_str(" RETURNING 1");
            write!(select, ", (SELECT count(*) FROM c{number}) AS c{number}").expect(TEXT);
        }
        with.push(')');
        values.append(&mut change.values);
    }
    with.push_str(&select);
    bound(sqlx::query(AssertSqlSafe(with)), values)
}

/// Whether each hit what it had to.
pub(super) fn check(changes: &[LaterChange], row: &PgRow) -> Result<(), StoreError> {
    for (number, change) in changes.iter().enumerate() {
        if let Some(missed) = &change.missed
            && row.try_get::<i64, _>(format!("c{number}").as_str())? != 1
        {
            return Err(missed.clone().into());
        }
    }
    Ok(())
}

const TEXT: &str = "a text takes all";

/// Appends a statement whose `$1` becomes that after `before` others.
fn renumber(text: &mut String, sql: &str, before: usize) {
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let number: usize = number.parse().expect("a number follows each $");
        write!(text, "${}{rest}", number + before).expect(TEXT);
    }
}

/// The table that a change changes, and whether it only adds rows to it.
fn target(sql: &str) -> (&str, bool) {
    const VERBS: [(&str, bool); 3] = [
        ("INSERT INTO ", true),
        ("UPDATE ", false),
        ("DELETE FROM ", false),
    ];
    let of = |(verb, inserts)| Some((sql.strip_prefix(verb)?, inserts));
    let (rest, inserts) = VERBS.into_iter().find_map(of).expect("a change");
    let table = rest.split([' ', '(']).next().unwrap_or_default();
    (table, inserts && !sql.contains("ON CONFLICT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(sql: &'static str) -> LaterChange {
        LaterChange {
            sql: sql.into(),
            values: Vec::new(),
            missed: None,
        }
    }

    #[test]
    fn placeholders_count_on() {
        let mut text = String::new();
        renumber(&mut text, "UPDATE a SET b = $2 WHERE c = $1 AND d < $10", 3);
        assert_eq!(text, "UPDATE a SET b = $5 WHERE c = $4 AND d < $13");
    }

    #[test]
    fn a_row_is_changed_once_in_a_statement() {
        let mut later = Later::default();
        later.push(change("INSERT INTO events (seq) VALUES ($1)"));
        later.push(change("UPDATE tasks SET title = $1"));
        assert!(later.takes(&change("INSERT INTO events (seq) SELECT $1")));
        assert!(later.takes(&change("INSERT INTO turns (id) VALUES ($1)")));
        for apart in [
            "UPDATE events SET at = $1",
            "DELETE FROM events WHERE seq = $1",
            "INSERT INTO events (seq) VALUES ($1) ON CONFLICT (seq) DO NOTHING",
            "INSERT INTO tasks (id) VALUES ($1)",
            "UPDATE tasks SET updated_at = $1",
        ] {
            assert!(!later.takes(&change(apart)), "{apart}");
        }
    }
}
