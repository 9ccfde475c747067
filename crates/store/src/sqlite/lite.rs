//! One connection to SQLite.
//!
//! A statement runs where it is called, and the calls are over when they return: handing each to a
//! thread of its own and back costs several times what most of them take. Statements are prepared
//! once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Error, OpenFlags, ToSql};

use crate::sql::Value;

/// How long to wait for a lock that another process holds.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Pages in the log from which on a commit copies them into the database: 8 MiB.
const LOG_PAGES: u32 = 2000;
/// Statements that are kept prepared; the store has fewer.
const PREPARED: usize = 256;

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read and write; what is committed is flushed to the disk.
    Write,
    /// Read.
    Read,
}

#[derive(Debug)]
pub(crate) struct Lite {
    conn: Connection,
    /// By the address and the length of a statement's text, which lives as long as the program: where two have the same, they are the
    /// same text.
    shapes: HashMap<(usize, usize), Shape>,
    view: View,
}

/// Whether what is read comes from one view of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Each statement has its own, unless the caller began a transaction.
    OfStatement,
    /// It begins with the next statement.
    Wanted,
    Begun,
}

/// What is the same for all runs of a statement.
#[derive(Clone, Debug)]
struct Shape {
    /// For each placeholder in the order of SQLite's numbers, the index of its value: `$3` may be SQLite's first.
    values: Arc<[usize]>,
    columns: Arc<[String]>,
}

/// A row of an answer.
#[derive(Debug)]
pub(crate) struct LiteRow {
    columns: Arc<[String]>,
    values: Vec<LiteValue>,
}

#[derive(Debug)]
pub(crate) enum LiteValue {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Lite {
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, Error> {
        let mode = match access {
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let conn = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(PREPARED);
        conn.pragma_update(None, "foreign_keys", true)?;
        // Else a statement with `LIMIT $1` is prepared anew for each value, which costs more than most take.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // What a savepoint may have to undo is else written to a file in /var/tmp.
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        if access == Access::Write {
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.pragma_update(None, "synchronous", "FULL")?;
            // Where the writer never has time for it.
            conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        }
        Ok(Self {
            conn,
            shapes: HashMap::new(),
            view: View::OfStatement,
        })
    }

    /// Says whether it was closed in order.
    pub(crate) fn close(self) -> Result<(), Error> {
        self.conn.close().map_err(|(_, error)| error)
    }

    /// Runs statements without placeholders, apart by `;`.
    pub(crate) fn run(&self, sql: &'static str) -> Result<(), Error> {
        match sql.split_once(';') {
            None => self.conn.prepare_cached(sql)?.raw_execute().map(drop),
            Some((first, rest)) => {
                self.run(first)?;
                self.run(rest)
            }
        }
    }

    /// The number that a statement without placeholders answers.
    pub(crate) fn number(&self, sql: &'static str) -> Result<i64, Error> {
        let mut statement = self.conn.prepare_cached(sql)?;
        statement.query_row([], |row| row.get(0))
    }

    /// How many rows were changed since it was opened.
    pub(crate) fn changed_rows(&self) -> u64 {
        self.conn.total_changes()
    }

    /// Whether a transaction is under way; SQLite gives one up by itself after some errors.
    pub(crate) fn is_in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    /// From the next statement on until [`Lite::end_view`], all see the same.
    pub(crate) fn want_view(&mut self) {
        if self.view == View::OfStatement {
            self.view = View::Wanted;
        }
    }

    pub(crate) fn end_view(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.view, View::OfStatement) {
            View::Begun => self.run("COMMIT"),
            View::OfStatement | View::Wanted => Ok(()),
        }
    }

    /// At most `most` rows; the statement is not run further than that.
    pub(crate) fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        most: usize,
    ) -> Result<Vec<LiteRow>, Error> {
        let (mut statement, shape) = self.bound(sql, values)?;
        let mut rows = statement.raw_query();
        let mut read = Vec::new();
        while read.len() < most
            && let Some(row) = rows.next()?
        {
            let columns = 0..shape.columns.len();
            let values = columns.map(|column| row.get_ref(column).map(LiteValue::from));
            read.push(LiteRow {
                values: values.collect::<Result<_, _>>()?,
                columns: Arc::clone(&shape.columns),
            });
        }
        Ok(read)
    }

    /// How many rows it hit.
    pub(crate) fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, Error> {
        let (mut statement, _) = self.bound(sql, values)?;
        let hit = statement.raw_execute()?;
        Ok(u64::try_from(hit).unwrap_or(u64::MAX))
    }

    fn bound(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(CachedStatement<'_>, Shape), Error> {
        if self.view == View::Wanted {
            self.run("BEGIN")?;
            self.view = View::Begun;
        }
        let mut statement = self.conn.prepare_cached(sql)?;
        let address = (sql.as_ptr() as usize, sql.len());
        let shape = match self.shapes.get(&address) {
            Some(shape) => shape.clone(),
            None => {
                let shape = Shape::of(&statement)?;
                self.shapes.insert(address, shape.clone());
                shape
            }
        };
        for (number, value) in (1..).zip(shape.values.iter()) {
            let value = values
                .get(*value)
                .ok_or(Error::InvalidParameterCount(values.len(), *value + 1))?;
            statement.raw_bind_parameter(number, value)?;
        }
        Ok((statement, shape))
    }
}

impl Shape {
    fn of(statement: &CachedStatement<'_>) -> Result<Self, Error> {
        let numbers = 1..=statement.parameter_count();
        let values = numbers.map(|number| {
            let name = statement.parameter_name(number);
            let named = name.and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
            named
                .and_then(|named| named.checked_sub(1))
                .ok_or_else(|| Error::InvalidParameterName(name.unwrap_or("?").to_owned()))
        });
        Ok(Self {
            values: values.collect::<Result<_, _>>()?,
            columns: statement
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(Some(number)) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Id(id) => ToSqlOutput::Borrowed(ValueRef::Text(id.as_str().as_bytes())),
            Self::Bytes(Some(bytes)) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => {
                ToSqlOutput::Borrowed(ValueRef::Null)
            }
        })
    }
}

impl From<ValueRef<'_>> for LiteValue {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Int(number),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Self::Text(text.to_owned()),
                // No column holds it as text, which whoever reads it finds out.
                Err(_) => Self::Bytes(text.to_vec()),
            },
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
            // The store has no column of numbers that are not whole.
            ValueRef::Real(number) => Self::Text(number.to_string()),
        }
    }
}

impl LiteRow {
    /// `None` if the answer has no such column.
    pub(crate) fn get(&self, column: &str) -> Option<&LiteValue> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.values.get(index)
    }
}
