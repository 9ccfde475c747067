//! What workers and servers say to each other, as values that a network can hold back, lose and double.

use std::fmt;

use outwork_api::problem::{Code, Problem};
use outwork_api::worker::{
    Acquire, Acquired, Advance, Append, AppendAnswer, Assignment, Deregister, Finish, Heartbeat,
    HeartbeatAnswer, OutputKind, Register, Registered, Release, WorkerApi, WorkerError,
};

/// A verb of the worker protocol.
#[derive(Clone, Debug)]
pub enum Request {
    /// Who the worker is.
    Register(Register),
    /// Work is asked for.
    Acquire(Acquire),
    /// Leases are renewed.
    Heartbeat(Heartbeat),
    /// A step began.
    Advance(String, Advance),
    /// Events.
    Append(String, Append),
    /// A part of the result.
    Upload(String, Upload),
    /// The end.
    Finish(String, Finish),
    /// Given back.
    Release(String, Release),
    /// The worker signs off.
    Deregister(Deregister),
}

/// A part of a result.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Which claim speaks.
    pub epoch: i64,
    /// What.
    pub kind: OutputKind,
    /// The bytes.
    pub content: Vec<u8>,
}

/// What came of a request.
#[derive(Debug)]
pub enum Reply {
    /// To `register`.
    Registered(Registered),
    /// To `acquire`.
    Acquired(Vec<Assignment>),
    /// To `heartbeat`.
    Heartbeat(HeartbeatAnswer),
    /// To a step or to events.
    Progress(AppendAnswer),
    /// To everything else.
    Done,
}

/// A reply, or why there is none.
pub type Answer = Result<Reply, WorkerError>;

impl Request {
    /// Does it.
    pub async fn perform(&self, api: &dyn WorkerApi) -> Answer {
        Ok(match self.clone() {
            Self::Register(request) => Reply::Registered(api.register(request).await?),
            Self::Acquire(request) => {
                let Acquired { assignments } = api.acquire(request).await?;
                Reply::Acquired(assignments)
            }
            Self::Heartbeat(request) => Reply::Heartbeat(api.heartbeat(request).await?),
            Self::Advance(attempt, request) => {
                Reply::Progress(api.advance(attempt, request).await?)
            }
            Self::Append(attempt, request) => Reply::Progress(api.append(attempt, request).await?),
            Self::Upload(attempt, upload) => {
                let Upload {
                    epoch,
                    kind,
                    content,
                } = upload;
                api.upload(attempt, epoch, kind, None, content).await?;
                Reply::Done
            }
            Self::Finish(attempt, request) => {
                api.finish(attempt, request).await?;
                Reply::Done
            }
            Self::Release(attempt, request) => {
                api.release(attempt, request).await?;
                Reply::Done
            }
            Self::Deregister(request) => {
                api.deregister(request).await?;
                Reply::Done
            }
        })
    }

    /// The attempt and the epoch that it names, if it is about one.
    pub fn claim(&self) -> Option<(&str, i64)> {
        match self {
            Self::Advance(attempt, Advance { epoch, .. })
            | Self::Append(attempt, Append { epoch, .. })
            | Self::Upload(attempt, Upload { epoch, .. })
            | Self::Finish(attempt, Finish { epoch, .. })
            | Self::Release(attempt, Release { epoch, .. }) => Some((attempt, *epoch)),
            Self::Register(_) | Self::Acquire(_) | Self::Heartbeat(_) | Self::Deregister(_) => None,
        }
    }

    /// The same in the name of another claim.
    pub fn with_epoch(&self, to: i64) -> Self {
        let mut request = self.clone();
        match &mut request {
            Self::Advance(_, Advance { epoch, .. })
            | Self::Append(_, Append { epoch, .. })
            | Self::Upload(_, Upload { epoch, .. })
            | Self::Finish(_, Finish { epoch, .. })
            | Self::Release(_, Release { epoch, .. }) => *epoch = to,
            Self::Register(_) | Self::Acquire(_) | Self::Heartbeat(_) | Self::Deregister(_) => {}
        }
        request
    }

    /// The verb.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Acquire(_) => "acquire",
            Self::Heartbeat(_) => "heartbeat",
            Self::Advance(..) => "advance",
            Self::Append(..) => "append",
            Self::Upload(..) => "upload",
            Self::Finish(..) => "finish",
            Self::Release(..) => "release",
            Self::Deregister(_) => "deregister",
        }
    }
}

/// A server that cannot be reached.
pub fn unreachable() -> WorkerError {
    WorkerError::Unreachable("the simulated network".into())
}

/// A server that does not take the worker's token.
pub fn unauthorized() -> WorkerError {
    WorkerError::Problem(Problem::new(Code::Unauthorized, "Not this token."))
}

/// In a few words, for the trace.
pub struct Brief<'a>(pub &'a Answer);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(Reply::Registered(registered)) => write!(f, "is {}", registered.worker),
            Ok(Reply::Acquired(assignments)) => {
                let given = assignments
                    .iter()
                    .map(|assignment| format!("{} {}", assignment.attempt, assignment.epoch));
                write!(f, "[{}]", given.collect::<Vec<_>>().join(" "))
            }
            Ok(Reply::Heartbeat(answer)) => {
                let wishes = answer
                    .leases
                    .iter()
                    .map(|lease| format!("{:?}", lease.desired));
                write!(f, "[{}]", wishes.collect::<Vec<_>>().join(" "))
            }
            Ok(Reply::Progress(answer)) => {
                write!(
                    f,
                    "{} events, {:?}",
                    answer.acknowledged_seq, answer.desired
                )
            }
            Ok(Reply::Done) => write!(f, "done"),
            Err(WorkerError::Problem(problem)) => write!(f, "{}: {}", problem.code, problem.detail),
            Err(WorkerError::Unreachable(_)) => write!(f, "unreachable"),
        }
    }
}
