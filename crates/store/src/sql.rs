//! One way to run a statement on either engine.
//!
//! Statements are constants with `$1` placeholders. Where the engines differ (row locks, JSON
//! table functions) a [`Sql`] has two texts. Only three types travel: integers, text, bytes.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::str::FromStr;

use outwork_domain::Timestamp;
use outwork_domain::attempt::Refused;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use crate::error::StoreError;
use crate::postgres::later::LaterChange;
use crate::postgres::pool::Lease;
use crate::sqlite::lite::{Lite, LiteRow, LiteValue};

/// A statement as each engine takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl From<&'static str> for Sql {
    fn from(both: &'static str) -> Self {
        Self {
            sqlite: both,
            postgres: both,
        }
    }
}

/// A query whose rows stay locked until the transaction ends. SQLite needs no lock: it has one
/// writer at a time.
macro_rules! for_update {
    ($($text:expr),+ $(,)?) => {
        $crate::sql::Sql {
            sqlite: concat!($($text),+),
            postgres: concat!($($text),+, " FOR UPDATE"),
        }
    };
}
pub(crate) use for_update;

/// A query with `column IN (the texts in the JSON array $n)` between two parts of it. PostgreSQL makes them an array first, and looks
/// each up in the index; with `IN (SELECT …)` it takes them for a table, and reads all of the other one while that is small or unknown.
macro_rules! in_json {
    ($before:expr, $placeholder:literal, $after:expr) => {
        $crate::sql::Sql {
            sqlite: concat!(
                $before,
                " IN (SELECT value FROM json_each(",
                $placeholder,
                ")) ",
                $after
            ),
            postgres: concat!(
                $before,
                " = ANY (ARRAY(SELECT jsonb_array_elements_text(",
                $placeholder,
                "::jsonb))) ",
                $after
            ),
        }
    };
}
pub(crate) use in_json;

/// A value for a placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    Int(Option<i64>),
    Text(Option<Cow<'v, str>>),
    /// A text, too.
    Id(PrintedId),
    Bytes(Option<Cow<'v, [u8]>>),
}

impl Value<'_> {
    /// For a statement that is run later.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(text.map(|text| Cow::Owned(text.into_owned()))),
            Self::Id(id) => Value::Id(id),
            Self::Bytes(bytes) => Value::Bytes(bytes.map(|bytes| Cow::Owned(bytes.into_owned()))),
        }
    }
}

/// The values for the placeholders of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! from {
    ($($source:ty => |$value:ident| $made:expr),* $(,)?) => {
        $(impl<'v> From<$source> for Value<'v> {
            fn from($value: $source) -> Self {
                $made
            }
        })*
    };
}

from! {
    i64 => |value| Self::Int(Some(value)),
    Option<i64> => |value| Self::Int(value),
    u32 => |value| Self::Int(Some(i64::from(value))),
    Timestamp => |value| Self::Int(Some(value.as_millis())),
    Option<Timestamp> => |value| Self::Int(value.map(Timestamp::as_millis)),
    &'v str => |value| Self::Text(Some(Cow::Borrowed(value))),
    String => |value| Self::Text(Some(Cow::Owned(value))),
    &'v String => |value| Self::Text(Some(Cow::Borrowed(value))),
    Option<String> => |value| Self::Text(value.map(Cow::Owned)),
    Option<&'v str> => |value| Self::Text(value.map(Cow::Borrowed)),
    Vec<u8> => |value| Self::Bytes(Some(Cow::Owned(value))),
    Option<Vec<u8>> => |value| Self::Bytes(value.map(Cow::Owned)),
    [u8; 32] => |value| Self::Bytes(Some(Cow::Owned(value.to_vec()))),
}

/// An id as it is printed. A statement names many, so that each has its place here and not on the heap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrintedId {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl PrintedId {
    /// A prefix of at most 7 letters, the underscore, 32 digits.
    const MOST: usize = 40;

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).expect("what was written is text")
    }
}

impl fmt::Write for PrintedId {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// An id as a value.
pub(crate) fn id(id: impl Display) -> Value<'static> {
    let mut printed = PrintedId {
        bytes: [0; PrintedId::MOST],
        length: 0,
    };
    write!(printed, "{id}").expect("an id is short");
    Value::Id(printed)
}

/// An id, where there is one, as a value.
pub(crate) fn opt_id(it: Option<impl Display>) -> Value<'static> {
    it.map_or(Value::Text(None), id)
}

/// Texts as the JSON array that [`in_json`] takes.
pub(crate) fn json_array(texts: impl Iterator<Item = impl ToString>) -> String {
    let texts: Vec<_> = texts.map(|text| text.to_string()).collect();
    serde_json::to_string(&texts).expect("texts are JSON")
}

/// A count that the database keeps as a signed number.
pub(crate) fn count(count: u64) -> Value<'static> {
    Value::Int(Some(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// A connection in use.
#[derive(Debug)]
pub(crate) enum Conn<'c> {
    /// Whose statements are over when they return.
    Sqlite(&'c mut Lite),
    Postgres(&'c mut Lease),
}

impl Conn<'_> {
    pub(crate) async fn rows(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into();
        match self {
            Self::Sqlite(conn) => {
                let rows = conn.rows(sql.sqlite, &values, usize::MAX)?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(conn) => {
                let rows = conn.rows(sql, values).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub(crate) async fn row(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Value<'_>>,
    ) -> Result<Option<Row>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(conn) => conn.rows(sql.sqlite, &values, 1)?.pop().map(Row::Sqlite),
            Self::Postgres(conn) => conn.row(sql, values).await?.map(Row::Postgres),
        })
    }

    /// Changes something, at the latest before the commit: how many rows it hits is told by no more than `missed`, the error if it is not
    /// exactly one. It must not depend on what else was put off, nor change the same rows.
    pub(crate) async fn later(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Value<'_>>,
        missed: Option<Refused>,
    ) -> Result<(), StoreError> {
        let sql = sql.into();
        match self {
            Self::Sqlite(conn) => match (conn.execute(sql.sqlite, &values)?, missed) {
                (1, _) | (_, None) => Ok(()),
                (_, Some(missed)) => Err(missed.into()),
            },
            Self::Postgres(conn) => {
                let change = LaterChange {
                    sql,
                    values: values.into_iter().map(Value::into_owned).collect(),
                    missed,
                };
                conn.later(change).await
            }
        }
    }

    /// Runs what was put off.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(conn) => conn.flush().await,
        }
    }

    /// Answers how many rows it hit.
    pub(crate) async fn execute(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Value<'_>>,
    ) -> Result<u64, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(conn) => conn.execute(sql.sqlite, &values)?,
            Self::Postgres(conn) => conn.execute(sql, values).await?,
        })
    }
}

pub(crate) fn postgres<'q>(sql: Sql, values: Vec<Value<'q>>) -> Query<'q, Postgres, PgArguments> {
    bound(sqlx::query(sql.postgres), values)
}

pub(crate) fn bound<'q>(
    query: Query<'q, Postgres, PgArguments>,
    values: Vec<Value<'q>>,
) -> Query<'q, Postgres, PgArguments> {
    values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Id(id) => query.bind(id.as_str().to_owned()),
        Value::Bytes(value) => query.bind(value),
    })
}

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(LiteRow),
    Postgres(PgRow),
}

/// One of the types that travel.
trait Column: Sized + for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> {
    /// `None` if it is of another type.
    fn of(value: &LiteValue) -> Option<Self>;
}

impl Column for i64 {
    fn of(value: &LiteValue) -> Option<Self> {
        match value {
            LiteValue::Int(number) => Some(*number),
            LiteValue::Null | LiteValue::Text(_) | LiteValue::Bytes(_) => None,
        }
    }
}

impl Column for String {
    fn of(value: &LiteValue) -> Option<Self> {
        match value {
            LiteValue::Text(text) => Some(text.clone()),
            LiteValue::Null | LiteValue::Int(_) | LiteValue::Bytes(_) => None,
        }
    }
}

impl Column for Vec<u8> {
    fn of(value: &LiteValue) -> Option<Self> {
        match value {
            LiteValue::Bytes(bytes) => Some(bytes.clone()),
            LiteValue::Null | LiteValue::Int(_) | LiteValue::Text(_) => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn of(value: &LiteValue) -> Option<Self> {
        match value {
            LiteValue::Null => Some(None),
            value => T::of(value).map(Some),
        }
    }
}

impl Row {
    fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => row
                .get(column)
                .and_then(T::of)
                .ok_or_else(|| StoreError::corrupt(column)),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(crate) fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// An integer that must fit another type.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_| StoreError::corrupt(column))
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_millis(self.int(column)?))
    }

    pub(crate) fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column)
    }

    /// A text that is only looked at.
    pub(crate) fn str(&self, column: &str) -> Result<&str, StoreError> {
        match self {
            Self::Sqlite(row) => match row.get(column) {
                Some(LiteValue::Text(text)) => Ok(text),
                Some(_) | None => Err(StoreError::corrupt(column)),
            },
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// The same, where there is one.
    pub(crate) fn opt_str(&self, column: &str) -> Result<Option<&str>, StoreError> {
        match self {
            Self::Sqlite(row) => match row.get(column) {
                Some(LiteValue::Text(text)) => Ok(Some(text)),
                Some(LiteValue::Null) => Ok(None),
                Some(_) | None => Err(StoreError::corrupt(column)),
            },
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    pub(crate) fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    pub(crate) fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    /// A text that must parse, such as an id.
    pub(crate) fn parsed<T: FromStr>(&self, column: &str) -> Result<T, StoreError> {
        let parsed = self.str(column)?.parse();
        parsed.map_err(|_| StoreError::corrupt(column))
    }

    pub(crate) fn opt_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>, StoreError> {
        self.opt_str(column)?
            .map(|text| text.parse().map_err(|_| StoreError::corrupt(column)))
            .transpose()
    }
}
