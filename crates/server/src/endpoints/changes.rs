//! What changes in a workspace, as a stream of hints. Subscribe first, then read: the stream tells of what was committed after it began,
//! and who comes back reads again what he shows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use outwork_api::Time;
use outwork_api::change::Change;
use outwork_api::problem::Code;
use outwork_domain::principal::Viewer;
use outwork_domain::{PrincipalId, TaskId, Timestamp, WorkspaceId};
use outwork_store::StoreError;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Interval, MissedTickBehavior};

use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::http::sse;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// How many streams a principal may have open: many windows of a browser, and not all connections of a server.
const STREAMS: u32 = 64;
/// How long what changes is gathered before it is told: a task that starts changes several times at once.
const GATHER: Duration = Duration::from_millis(100);
/// Of another server, whose clock and whose transactions may be late by so much.
const LATE: Duration = Duration::from_secs(10);
/// How many changes of other servers are read at a time.
const BATCH: u32 = 1000;

/// The changes of the workspace, as server-sent events (`event` is the type, `data` the change as JSON). They are hints that carry no data:
/// read again what they name. They have no numbers, and a stream does not go on where another broke off: open it, then read what you show, also when
/// you come back. It ends when it could not keep up. A comment comes every 15 seconds when there is nothing to say.
#[utoipa::path(get, path = "/changes", operation_id = "followChanges", tag = "tasks",
    responses((status = 200, description = "Changes, until the client goes.", body = Change, content_type = "text/event-stream"), Refusals))]
pub(crate) async fn changes(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
) -> Result<Response, Refusal> {
    let open = plane.change_streams.open(member.principal().id)?;
    let changed = plane.signals.tasks.subscribe();
    let others = plane
        .store
        .is_shared()
        .then(|| Others::new(plane.look_every(), plane.now()));
    let follower = Follower {
        plane: Arc::clone(&plane),
        workspace: member.workspace_id(),
        changed,
        others,
        _open: open,
    };
    Ok(sse::respond(&plane, follower.stream()))
}

struct Follower {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    changed: Receiver<Option<TaskId>>,
    /// Where other servers write to the same database.
    others: Option<Others>,
    _open: Open,
}

/// What other servers changed: it is looked for now and then.
struct Others {
    tick: Interval,
    /// What changed before was told.
    since: Timestamp,
    /// What was told of the time since then.
    told: HashMap<TaskId, Timestamp>,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut follower| async move {
            let told = follower.next().await?;
            Some((told, follower))
        })
    }

    /// What changed, once something did; `None` when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let found = match self.wait().await? {
                Woken::By(tasks) => {
                    let tasks: Vec<_> = tasks.into_iter().collect();
                    self.plane.store.task_changes(self.workspace, &tasks).await
                }
                Woken::ToLook(since) => self.look(since).await,
            };
            let mut changes = match found {
                Ok(changes) => changes,
                // The client comes back, and is told then what is wrong.
                Err(fault) => {
                    tracing::warn!(%fault, "a stream of changes broke off");
                    return None;
                }
            };
            if let Some(others) = &mut self.others {
                changes.retain(|change| others.is_new(*change));
            }
            if !changes.is_empty() {
                return Some(together(&changes));
            }
        }
    }

    async fn wait(&mut self) -> Option<Woken> {
        let look = async {
            match &mut self.others {
                Some(others) => {
                    others.tick.tick().await;
                    others.since
                }
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            since = look => return Some(Woken::ToLook(since)),
            changed = self.changed.recv() => match changed {
                Ok(changed) => changed?,
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            },
        };
        tokio::time::sleep(GATHER).await;
        let mut tasks = BTreeSet::from([first]);
        loop {
            match self.changed.try_recv() {
                Ok(changed) => tasks.insert(changed?),
                Err(TryRecvError::Empty) => return Some(Woken::By(tasks)),
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return None,
            };
        }
    }

    /// What changed since then, whoever did it.
    async fn look(&mut self, since: Timestamp) -> Result<Vec<(TaskId, Timestamp)>, StoreError> {
        let now = self.plane.now();
        let (store, workspace) = (&self.plane.store, self.workspace);
        let found = store.task_changes_since(workspace, since, BATCH).await?;
        if let Some(others) = &mut self.others {
            let full = found.last().filter(|_| found.len() >= BATCH as usize);
            // Where there is more, the next look goes on from there.
            let to = full.map_or(now - LATE, |(_, last)| *last);
            others.since = to.max(since);
        }
        Ok(found)
    }
}

enum Woken {
    By(BTreeSet<TaskId>),
    ToLook(Timestamp),
}

impl Others {
    fn new(every: Duration, now: Timestamp) -> Self {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            tick,
            since: now - LATE,
            told: HashMap::new(),
        }
    }

    /// Whether it was not told yet; from now on it was.
    fn is_new(&mut self, (task, at): (TaskId, Timestamp)) -> bool {
        let since = self.since;
        self.told.retain(|_, at| *at >= since);
        self.told.insert(task, at) != Some(at)
    }
}

fn together(changes: &[(TaskId, Timestamp)]) -> Bytes {
    let event = |(task, at): &(TaskId, Timestamp)| {
        let change = Change::Task {
            id: task.to_string(),
            updated_at: Time::from(*at),
        };
        let data = serde_json::to_string(&change).expect("a change is plain data");
        sse::event(None, "task", &data)
    };
    let events: Vec<Bytes> = changes.iter().map(event).collect();
    Bytes::from(events.concat())
}

/// How many streams each principal has open.
#[derive(Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<PrincipalId, u32>>>);

/// One of them; it counts until it is dropped.
struct Open {
    counts: Arc<Mutex<HashMap<PrincipalId, u32>>>,
    principal: PrincipalId,
}

impl Streams {
    fn open(&self, principal: PrincipalId) -> Result<Open, Refusal> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(principal).or_default();
        if *count >= STREAMS {
            let detail = format!("{STREAMS} streams of changes are open for this principal.");
            return Err(Refusal::new(Code::Unavailable, detail)
                .with_hint("Close one; one stream tells of all changes of the workspace."));
        }
        *count += 1;
        Ok(Open {
            counts: Arc::clone(&self.0),
            principal,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.principal);
            }
        }
    }
}
