//! A write on its way through the writer.

use std::pin::Pin;

use tokio::sync::oneshot;

use super::lite::Lite;
use crate::error::StoreError;
use crate::listening::Listening;
use crate::sql::Conn;
use crate::store::{Committed, Tx, Write};

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Write`] whose caller waits.
pub(super) trait Job: Send {
    /// Runs it and keeps what came of it; says whether it went well.
    fn run<'a>(&'a mut self, conn: &'a mut Lite) -> Boxed<'a, bool>;

    /// What it changes, if it went well.
    fn committed(&mut self) -> Option<&mut Committed>;

    /// Whether it stood by for what another one queued.
    fn stands_by(&self) -> bool {
        false
    }

    /// Answers the caller: what came of it, or the error that undid it.
    fn answer(self: Box<Self>, undone: Option<StoreError>);
}

/// What a write answers and what it changed, until it is committed.
type Done<W> = Result<(<W as Write>::Output, Committed), StoreError>;

pub(super) struct Waiting<W: Write> {
    pub(super) write: W,
    caller: oneshot::Sender<Result<W::Output, StoreError>>,
    listening: Listening,
    pub(super) done: Option<Done<W>>,
}

impl<W: Write> Waiting<W> {
    pub(super) fn new(
        write: W,
        caller: oneshot::Sender<Result<W::Output, StoreError>>,
        listening: Listening,
    ) -> Self {
        Self {
            write,
            caller,
            listening,
            done: None,
        }
    }
}

impl<W: Write> Job for Waiting<W> {
    fn run<'a>(&'a mut self, conn: &'a mut Lite) -> Boxed<'a, bool> {
        Box::pin(async {
            let tx = Tx::new(Conn::Sqlite(conn), &self.listening);
            let done = tx.run(&self.write).await;
            let ok = done.is_ok();
            self.done = Some(done);
            ok
        })
    }

    fn committed(&mut self) -> Option<&mut Committed> {
        match &mut self.done {
            Some(Ok((_, committed))) => Some(committed),
            Some(Err(_)) | None => None,
        }
    }

    fn answer(self: Box<Self>, undone: Option<StoreError>) {
        let answer = match (undone, self.done) {
            (None, Some(Ok((output, _)))) => Ok(output),
            // It failed by itself, so nothing of it could be undone.
            (_, Some(Err(error))) => Err(error),
            (Some(error), _) => Err(error),
            (None, None) => Err(StoreError::unavailable("the write was not run")),
        };
        let _caller_left = self.caller.send(answer);
    }
}
