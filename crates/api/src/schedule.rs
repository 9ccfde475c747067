//! Schedules on the wire: tasks that are submitted again and again, and what became of each time.

use outwork_domain::firing::{Missed as DomainMissed, Overlap as DomainOverlap};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::member::Person;
use crate::task::{Failure, Priority, TaskKind};
use crate::time::Time;

/// What becomes of times at which no server ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MissedPolicy {
    /// Nothing.
    #[default]
    Skip,
    /// The last of them is made up for, once.
    Once,
}

/// What becomes of a time at which the task before still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OverlapPolicy {
    /// Nothing.
    #[default]
    Skip,
    /// It waits for the other's end; one at a time does.
    Queue,
    /// Both run.
    Allow,
}

impl From<MissedPolicy> for DomainMissed {
    fn from(it: MissedPolicy) -> Self {
        match it {
            MissedPolicy::Skip => Self::Skip,
            MissedPolicy::Once => Self::Once,
        }
    }
}

impl From<OverlapPolicy> for DomainOverlap {
    fn from(it: OverlapPolicy) -> Self {
        match it {
            OverlapPolicy::Skip => Self::Skip,
            OverlapPolicy::Queue => Self::Queue,
            OverlapPolicy::Allow => Self::Allow,
        }
    }
}

/// A schedule to be made. Its tasks are those of whoever makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// The five fields of a crontab, minute, hour, day of the month, month and day of the week, or a name such as `@daily`.
    #[schema(min_length = 1, max_length = 200)]
    pub timetable: String,
    /// In which time zone it is read: a name of the IANA database, such as `Europe/Vienna`; `UTC` when left out.
    #[serde(default = "utc")]
    #[schema(default = "UTC")]
    pub time_zone: String,
    /// The environment's id or label.
    pub environment: String,
    /// What is to be done, 1 byte to 1 MiB.
    #[schema(min_length = 1, max_length = 1048576)]
    pub prompt: String,
    /// Start from this branch instead of the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many attempts run at once, 1 to 4; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4)]
    pub attempts: Option<u32>,
    /// How urgent its tasks are.
    #[serde(default)]
    pub priority: Priority,
    /// What its tasks are for.
    #[serde(default)]
    pub kind: TaskKind,
    /// What becomes of times at which no server ran.
    #[serde(default)]
    pub missed: MissedPolicy,
    /// What becomes of a time at which the task before still runs.
    #[serde(default)]
    pub overlap: OverlapPolicy,
    /// Whether a pull request is opened when a task has ended well and changed something.
    #[serde(default)]
    pub pull_request: bool,
    /// Whether it begins paused.
    #[serde(default)]
    pub paused: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A change of a schedule; what is left out stays. It holds for the tasks that are submitted from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulePatch {
    /// The five fields of a crontab, or a name such as `@daily`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub timetable: Option<String>,
    /// In which time zone it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The environment's id or label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1048576)]
    pub prompt: Option<String>,
    /// Start from this branch; an empty text: from the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many attempts run at once, 1 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4)]
    pub attempts: Option<u32>,
    /// How urgent its tasks are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What its tasks are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TaskKind>,
    /// What becomes of times at which no server ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedPolicy>,
    /// What becomes of a time at which the task before still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<OverlapPolicy>,
    /// Whether a pull request is opened when a task has ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<bool>,
    /// Pauses it, or resumes it: it then goes on with the next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// `sch_…`.
    pub id: String,
    /// The five fields of a crontab, or a name such as `@daily`.
    pub timetable: String,
    /// In which time zone it is read.
    pub time_zone: String,
    /// `env_…`.
    pub environment_id: String,
    /// The environment's label; absent once it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_label: Option<String>,
    /// What is to be done.
    pub prompt: String,
    /// The first line of it, as the tasks are called.
    pub title: String,
    /// The branch it starts from; absent: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many attempts run at once.
    pub attempts: u32,
    /// How urgent its tasks are.
    #[schema(value_type = Priority)]
    pub priority: String,
    /// What its tasks are for.
    #[schema(value_type = TaskKind)]
    pub kind: String,
    /// What becomes of times at which no server ran.
    #[schema(value_type = MissedPolicy)]
    pub missed: String,
    /// What becomes of a time at which the task before still runs.
    #[schema(value_type = OverlapPolicy)]
    pub overlap: String,
    /// Whether a pull request is opened when a task has ended well.
    pub pull_request: bool,
    /// `active` or `paused`.
    pub state: String,
    /// Since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Time>,
    /// Why the server paused it; absent if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_reason: Option<String>,
    /// The next five times; of one that is paused, if it were resumed now.
    pub next_times: Vec<Time>,
    /// What became of its last time; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_firing: Option<Firing>,
    /// Who made it. Its tasks are this member's.
    pub created_by: Person,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// What became of a time of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    /// `fir_…`.
    pub id: String,
    /// `sch_…`.
    pub schedule_id: String,
    /// Who wanted it by hand; absent: the timetable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
    /// The time.
    pub planned_at: Time,
    /// When the server saw that it had come.
    pub made_at: Time,
    /// How many times before it came to nothing, because no server ran; 999 stands for more, too.
    pub missed_before: u32,
    /// `waiting` (for the task before, or for trouble to pass), `working`, `following` (its task runs and is to become a pull request),
    /// `started` (it gave a task), `skipped` or `refused`.
    pub state: String,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Of one that was skipped: `missed`, `overlap` or `paused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it was skipped, what it waits for to pass, or what came of its pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why its task was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// By when it has ended, one way or another; absent once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}
