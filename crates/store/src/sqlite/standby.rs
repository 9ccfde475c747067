//! Writes that stand by for what another one queues. The writer runs one right behind that, in the
//! same transaction: both are durable by one flush, and nobody is woken in between.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::CLOSED;
use super::job::{Boxed, Job, Waiting};
use super::lite::Lite;
use crate::error::StoreError;
use crate::listening::Listening;
use crate::store::{Committed, Write};

/// A write that can stand by.
pub(crate) trait StandsBy: Write {
    /// Whether it may find something to do now.
    fn is_due(&self) -> bool;

    /// Whether it found nothing; then it goes on standing by.
    fn is_nothing(output: &Self::Output) -> bool;
}

/// Those that stand by; whoever does longest comes first.
#[derive(Default)]
pub(super) struct Standbys {
    line: Mutex<Line>,
    listening: Listening,
}

#[derive(Default)]
struct Line {
    places: VecDeque<(Ticket, Standing)>,
    last: Ticket,
}

type Ticket = u64;

enum Standing {
    By(Box<dyn Due>),
    /// Its write is being run.
    Called,
}

trait Due: Job {
    fn is_due(&self) -> bool;
}

/// A write that stands by until this is dropped.
#[must_use = "it stands by only as long as this is kept"]
pub struct Standby<T> {
    answer: oneshot::Receiver<Result<T, StoreError>>,
    place: Place,
}

/// What a write does that was called already.
#[must_use = "what it did is known to nobody else"]
pub struct Last<T>(oneshot::Receiver<Result<T, StoreError>>);

struct Place {
    ticket: Ticket,
    standbys: Arc<Standbys>,
}

impl<T> Standby<T> {
    /// What it did, once it is durable. Nothing is lost when this is not waited for to the end.
    /// Not to be called again after it has answered.
    pub async fn done(&mut self) -> Result<T, StoreError> {
        let answer = (&mut self.answer).await;
        answer.map_err(|_| StoreError::unavailable(CLOSED))?
    }

    /// Does not stand by any more. `Some`: it was called before that.
    pub fn end(self) -> Option<Last<T>> {
        let Self { answer, place } = self;
        place.leave().then_some(Last(answer))
    }
}

impl<T> Last<T> {
    /// What it did, once it is durable.
    pub async fn done(self) -> Result<T, StoreError> {
        self.0.await.map_err(|_| StoreError::unavailable(CLOSED))?
    }
}

impl Place {
    /// Whether it was called.
    fn leave(&self) -> bool {
        let left = self.standbys.remove(self.ticket);
        !matches!(left, Some(Standing::By(_)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Standbys {
    pub(super) fn new(listening: Listening) -> Self {
        Self {
            line: Mutex::default(),
            listening,
        }
    }

    pub(super) fn add<W: StandsBy>(self: &Arc<Self>, write: W) -> Standby<W::Output> {
        let (caller, answer) = oneshot::channel();
        let waiting = Waiting::new(write, caller, self.listening.clone());
        let mut line = self.lock();
        line.last += 1;
        let ticket = line.last;
        let job = Called {
            waiting,
            ticket,
            standbys: Arc::clone(self),
        };
        line.places.push_back((ticket, Standing::By(Box::new(job))));
        Standby {
            answer,
            place: Place {
                ticket,
                standbys: Arc::clone(self),
            },
        }
    }

    /// Whoever is due and has stood by longest. It keeps its place until it has done something.
    pub(super) fn call(&self) -> Option<Box<dyn Job>> {
        let mut line = self.lock();
        let due = |standing: &Standing| match standing {
            Standing::By(job) => job.is_due(),
            Standing::Called => false,
        };
        let (_, place) = line.places.iter_mut().find(|(_, place)| due(place))?;
        match std::mem::replace(place, Standing::Called) {
            Standing::By(job) => Some(job),
            Standing::Called => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().places.is_empty()
    }

    /// All that stand by are told that it is over.
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut self.lock().places);
        drop(all);
    }

    fn remove(&self, ticket: Ticket) -> Option<Standing> {
        let mut line = self.lock();
        let at = line.find(ticket)?;
        line.places.remove(at).map(|(_, standing)| standing)
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn find(&self, ticket: Ticket) -> Option<usize> {
        let of = |(other, _): &(Ticket, Standing)| *other;
        self.places.binary_search_by_key(&ticket, of).ok()
    }
}

struct Called<W: StandsBy> {
    waiting: Waiting<W>,
    ticket: Ticket,
    standbys: Arc<Standbys>,
}

impl<W: StandsBy> Due for Called<W> {
    fn is_due(&self) -> bool {
        self.waiting.write.is_due()
    }
}

impl<W: StandsBy> Job for Called<W> {
    fn run<'a>(&'a mut self, conn: &'a mut Lite) -> Boxed<'a, bool> {
        self.waiting.run(conn)
    }

    fn committed(&mut self) -> Option<&mut Committed> {
        self.waiting.committed()
    }

    fn stands_by(&self) -> bool {
        true
    }

    fn answer(mut self: Box<Self>, undone: Option<StoreError>) {
        let nothing = match (&undone, &self.waiting.done) {
            (None, Some(Ok((output, _)))) => W::is_nothing(output),
            (None | Some(_), None | Some(_)) => false,
        };
        let standbys = Arc::clone(&self.standbys);
        let mut line = standbys.lock();
        let place = line.find(self.ticket);
        match place {
            Some(at) if nothing => {
                self.waiting.done = None;
                line.places[at].1 = Standing::By(self);
            }
            // Who does not stand by any more waits for the answer, whatever it is.
            Some(_) | None => {
                place.and_then(|at| line.places.remove(at));
                drop(line);
                Box::new(self.waiting).answer(undone);
            }
        }
    }
}

impl std::fmt::Debug for Standbys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Standbys").finish()
    }
}
