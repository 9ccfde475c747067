//! One result of parts of attempts: a turn whose attempt has it from the start, and runs no agent.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use bytes::Bytes;
use outwork_api::parts::{NewComposition, PartsOfAttempt};
use outwork_api::problem::Code;
use outwork_domain::agent::{AgentChoice, AgentSpec};
use outwork_domain::evidence::Evidence;
use outwork_domain::limits::DIFF_BYTES;
use outwork_domain::principal::Member;
use outwork_domain::task::{ComposedPart, Composition, Turn, composition_title};
use outwork_domain::{AttemptId, Epoch, ObjectKey, TaskId, TurnId};
use outwork_git::{
    ComposeError, ContradictingPart, Contradiction, MalformedPatch, Patch, Selection, compose,
};
use outwork_store::{
    AttemptRecord, AttemptResult, DiffStat, FurtherDiff, Idempotency, StoredDiff, Submitted,
    TaskRecord, TurnRecord,
};

use super::attempts;
use super::turn::not_ended;
use crate::endpoints::attempts::diff::patch_bytes;
use crate::endpoints::attempts::parts::{malformed, not_too_large};
use crate::endpoints::tasks::diff::{chosen_attempt, chosen_turn};
use crate::endpoints::{environments, tasks};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// How many times an attempt and a repository may be named.
const PARTS: usize = 64;
/// How many files and hunks may be named in all: they are kept with the turn. A file that is taken whole is one.
const IDS: usize = 5000;

/// What came of it.
pub(crate) enum Composed {
    /// Nothing was made: the diffs of all repositories, one after the other.
    DryRun(Vec<u8>),
    Turn(Submitted),
}

/// Makes the diffs; then the turn, unless only the diffs are asked for.
pub(crate) async fn submit(
    plane: &Plane,
    member: &Member,
    task_id: TaskId,
    new: NewComposition,
    idempotency: Option<Idempotency>,
) -> Result<Composed, Refusal> {
    if let Some(key) = &idempotency
        && let Some(task_id) = plane.store.idempotent(key, plane.now()).await?
    {
        return Ok(Composed::Turn(Submitted::Replayed { task_id }));
    }
    check(&new.parts)?;
    let record = tasks::by_id(plane, member.workspace_id(), task_id).await?;
    let turn = chosen_turn(&record, new.turn)?;
    let mut diffs = Vec::new();
    for (repository, parts) in by_repository(&record, turn, &new.parts)? {
        let diff = compose_one(plane, &record, repository, parts).await?;
        if !diff.is_empty() {
            diffs.push((repository.to_owned(), diff));
        }
    }
    if new.dry_run {
        let diffs = diffs.into_iter().map(|(_, diff)| diff).collect::<Vec<_>>();
        return Ok(Composed::DryRun(diffs.concat()));
    }
    if diffs.is_empty() {
        return Err(Refusal::field(
            "/parts",
            "holds nothing; name files or hunks",
        ));
    }
    plane.need_space()?;
    let parts = new.parts.iter().map(|part| composed_part(turn, part));
    let composition = Composition {
        parts: parts.collect::<Result<_, _>>()?,
        verify: new.verify.unwrap_or(true),
    };
    let source = source(turn, &new.parts)?;
    make(
        plane,
        member,
        &record,
        turn,
        source,
        composition,
        diffs,
        idempotency,
    )
    .await
    .map(Composed::Turn)
}

fn check(parts: &[PartsOfAttempt]) -> Result<(), Refusal> {
    if !(1..=PARTS).contains(&parts.len()) {
        let detail = format!("has {} entries; it must have 1 to {PARTS}", parts.len());
        return Err(Refusal::field("/parts", detail));
    }
    let named: usize = parts
        .iter()
        .map(|part| part.files.len() + part.hunks.len())
        .sum();
    if named > IDS {
        let detail =
            format!("names {named} files and hunks; at most {IDS} are taken: take files whole");
        return Err(Refusal::field("/parts", detail));
    }
    Ok(())
}

fn composed_part(turn: &TurnRecord, part: &PartsOfAttempt) -> Result<ComposedPart, Refusal> {
    let attempt = NonZeroU32::new(part.attempt);
    Ok(ComposedPart {
        turn: turn.turn.number,
        attempt: attempt.ok_or_else(|| Refusal::field("/parts", "holds an attempt 0"))?,
        repository: part.repository.clone(),
        files: part.files.clone(),
        hunks: part.hunks.clone(),
    })
}

/// What is taken of an attempt in one repository, and where the request says so.
struct Asked<'a> {
    index: usize,
    attempt: &'a AttemptRecord,
    part: &'a PartsOfAttempt,
}

fn by_repository<'a>(
    record: &'a TaskRecord,
    turn: &'a TurnRecord,
    parts: &'a [PartsOfAttempt],
) -> Result<Vec<(&'a str, Vec<Asked<'a>>)>, Refusal> {
    let mut asked: BTreeMap<&str, Vec<Asked<'a>>> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        let attempt = chosen_attempt(turn, part.attempt)?;
        if !attempt.attempt.state.is_final() {
            let detail = format!("Attempt {} has not ended.", part.attempt);
            return Err(Refusal::new(Code::Conflict, detail).with_hint(format!(
                "Wait for it with `outwork log {} --follow`.",
                record.task.id
            )));
        }
        let name = view::task::repository(record, part.repository.as_deref())?;
        asked.entry(name).or_default().push(Asked {
            index,
            attempt,
            part,
        });
    }
    let further = record
        .task
        .base
        .further
        .iter()
        .map(|base| base.name.as_str());
    let in_order = std::iter::once(record.repository.as_str()).chain(further);
    Ok(in_order
        .filter_map(|name| asked.remove_entry(name))
        .collect())
}

#[expect(
    clippy::map_entry,
    reason = "the diff is read in between, which takes a while"
)]
async fn compose_one(
    plane: &Plane,
    record: &TaskRecord,
    repository: &str,
    asked: Vec<Asked<'_>>,
) -> Result<Vec<u8>, Refusal> {
    // One attempt's diff is read once, however often it is named.
    let mut named: BTreeMap<AttemptId, Named> = BTreeMap::new();
    for Asked {
        index,
        attempt,
        part,
    } in asked
    {
        let id = attempt.attempt.id;
        if !named.contains_key(&id) {
            let diff = patch_bytes(plane, record, attempt, Some(repository)).await?;
            not_too_large(diff.len())?;
            named.insert(id, Named::nothing(index, attempt.attempt.number, diff));
        }
        let of_attempt = named.get_mut(&id).expect("it was inserted");
        of_attempt.files.extend(part.files.iter().cloned());
        of_attempt.hunks.extend(part.hunks.iter().cloned());
        for id in part.files.iter().chain(&part.hunks) {
            of_attempt.at.entry(id.clone()).or_insert(index);
        }
    }
    // In the order in which they are named.
    let mut named: Vec<Named> = named.into_values().collect();
    named.sort_by_key(|named| named.first);
    // Large diffs take a while.
    let composed = tokio::task::spawn_blocking(move || composed(&named)).await;
    composed.map_err(|panic| {
        Refusal::new(Code::Internal, "The parts could not be put together.").because(panic)
    })?
}

/// What is taken of an attempt, by itself.
struct Named {
    /// The first of the request's parts that name it.
    first: usize,
    number: NonZeroU32,
    diff: Bytes,
    files: BTreeSet<String>,
    hunks: BTreeSet<String>,
    /// Which of the request's parts names an id.
    at: BTreeMap<String, usize>,
}

impl Named {
    fn nothing(first: usize, number: NonZeroU32, diff: Bytes) -> Self {
        Self {
            first,
            number,
            diff,
            files: BTreeSet::new(),
            hunks: BTreeSet::new(),
            at: BTreeMap::new(),
        }
    }

    fn index(&self, id: &str) -> usize {
        self.at.get(id).copied().unwrap_or(self.first)
    }
}

fn composed(named: &[Named]) -> Result<Vec<u8>, Refusal> {
    let patches = named.iter().map(|named| Patch::parse(&named.diff));
    let patches: Vec<Patch<'_>> = patches
        .collect::<Result<_, MalformedPatch>>()
        .map_err(malformed)?;
    let selections: Vec<Selection<'_, '_>> = patches
        .iter()
        .zip(named)
        .map(|(patch, named)| Selection {
            patch,
            files: &named.files,
            hunks: &named.hunks,
        })
        .collect();
    let composed = compose(&selections).map_err(|fault| refused(fault, named))?;
    if composed.len() > DIFF_BYTES {
        let detail = format!(
            "The parts have {} bytes together; at most {DIFF_BYTES} are taken.",
            composed.len()
        );
        return Err(Refusal::new(Code::TooLarge, detail));
    }
    Ok(composed)
}

fn refused(fault: ComposeError, named: &[Named]) -> Refusal {
    let contradictions = match fault {
        ComposeError::Unknown { selection, id } => {
            let of_attempt = &named[selection];
            let (index, number) = (of_attempt.index(&id), of_attempt.number);
            let detail = format!("the diff of attempt {number} has no part `{id}`");
            return Refusal::field(&format!("/parts/{index}"), detail)
                .with_hint("`GET /attempts/{id}/diff/parts` lists the parts of a diff.");
        }
        ComposeError::Contradictions(contradictions) => contradictions,
    };
    let count = contradictions.len();
    let files: BTreeSet<_> = contradictions.iter().map(|it| path(&it.path)).collect();
    let files: Vec<_> = files.into_iter().take(5).collect();
    let detail = format!("The parts contradict each other in {}.", files.join(", "));
    let mut refusal = Refusal::new(Code::PartsConflict, detail)
        .with_hint("Take one of them, or follow up on one attempt and say what is to be taken over of the other.");
    /// More would not be read.
    const TOLD: usize = 50;
    for contradiction in contradictions.into_iter().take(TOLD) {
        let (pointer, detail) = told(&contradiction, named);
        refusal = refusal.with_field(pointer, detail);
    }
    if count > TOLD {
        refusal = refusal.with_field("/parts", format!("{} more", count - TOLD));
    }
    refusal
}

/// At the last of the parts, since those before it could have been taken.
fn told(contradiction: &Contradiction, named: &[Named]) -> (String, String) {
    let Contradiction {
        path: name,
        parts,
        reason,
    } = contradiction;
    let part = |part: &ContradictingPart| {
        let ContradictingPart {
            selection,
            id,
            header,
        } = part;
        let number = named[*selection].number;
        match header.as_str() {
            "" => format!("the file {id} of attempt {number}"),
            header => format!("hunk {id} ({header}) of attempt {number}"),
        }
    };
    let index = parts
        .iter()
        .map(|it| named[it.selection].index(&it.id))
        .max();
    let said: Vec<String> = parts.iter().map(part).collect();
    let pointer = format!("/parts/{}", index.unwrap_or(0));
    (
        pointer,
        format!("{}: {reason}: {}", path(name), said.join(", ")),
    )
}

fn path(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The attempt of which most is taken: its session goes on, where there is one.
fn source<'a>(
    turn: &'a TurnRecord,
    parts: &[PartsOfAttempt],
) -> Result<&'a AttemptRecord, Refusal> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for part in parts {
        *counts.entry(part.attempt).or_default() += part.files.len() + part.hunks.len();
    }
    // The lowest-numbered of those that have as much.
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    chosen_attempt(turn, most.map_or(1, |(number, _)| number))
}

#[expect(clippy::too_many_arguments, reason = "they are what a turn is made of")]
async fn make(
    plane: &Plane,
    member: &Member,
    record: &TaskRecord,
    of: &TurnRecord,
    source: &AttemptRecord,
    composition: Composition,
    diffs: Vec<(String, Vec<u8>)>,
    idempotency: Option<Idempotency>,
) -> Result<Submitted, Refusal> {
    let (workspace, task_id) = (member.workspace_id(), record.task.id);
    let environment = environments::by_id(plane, workspace, record.task.environment_id)
        .await?
        .environment;
    let now = plane.now();
    let mut numbers: Vec<NonZeroU32> = composition.parts.iter().map(|it| it.attempt).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let turn = Turn {
        id: TurnId::from_uuid(plane.ids.uuid()),
        task_id,
        // The store sets the number in the transaction that makes the turn.
        number: NonZeroU32::MIN,
        created_by: member.principal().id,
        prompt: composition_title(of.turn.number, &numbers),
        output_schema: None,
        continues: Some(source.attempt.id),
        composition: Some(composition),
        created_at: now,
        chosen: None,
    };
    let agents = vec![Some(no_agent())];
    let mut attempts = attempts(
        plane,
        workspace,
        task_id,
        turn.id,
        &environment,
        agents,
        now,
    );
    let attempt = attempts.pop().expect("one was asked for");
    let mut result = beginning(view::attempt::session(source).cloned());
    let mut stored = Vec::new();
    for (repository, diff) in diffs {
        let diff = match store(plane, attempt.id, record, &repository, diff, &mut stored).await {
            Ok(diff) => diff,
            Err(refusal) => {
                forget(plane, stored).await;
                return Err(refusal);
            }
        };
        match repository == record.repository {
            true => result.diff = Some(diff),
            false => result.further_diffs.push(FurtherDiff { repository, diff }),
        }
    }
    let made = plane
        .store
        .add_composition(workspace, turn, vec![(attempt, result)], idempotency)
        .await;
    if !matches!(made, Ok(Submitted::New)) {
        forget(plane, stored).await;
    }
    let made = made.map_err(|fault| not_ended(fault, task_id))?;
    tracing::info!(task = %task_id, "a result was composed");
    Ok(made)
}

/// What runs the attempts of compositions.
pub(super) fn no_agent() -> AgentChoice {
    AgentChoice {
        agent: AgentSpec::None,
        model: None,
    }
}

/// A result that an attempt begins with, as if a claim before the first had handed it in.
fn beginning(session: Option<ObjectKey>) -> AttemptResult {
    AttemptResult {
        epoch: Epoch::new(1),
        diff: None,
        further_diffs: Vec::new(),
        session,
        message: None,
        tokens: None,
        evidence: Evidence::default(),
    }
}

/// The object comes before the row: a row never names an object that is not there.
async fn store(
    plane: &Plane,
    attempt: AttemptId,
    record: &TaskRecord,
    repository: &str,
    diff: Vec<u8>,
    stored: &mut Vec<ObjectKey>,
) -> Result<StoredDiff, Refusal> {
    let stat = stat(&diff)?;
    let size_bytes = diff.len() as u64;
    let key = match repository == record.repository {
        true => ObjectKey::diff(attempt, Epoch::ZERO),
        false => ObjectKey::repository_diff(attempt, Epoch::ZERO, repository),
    };
    plane.objects.put(&key, Bytes::from(diff)).await?;
    stored.push(key.clone());
    Ok(StoredDiff {
        key,
        stat,
        size_bytes,
    })
}

fn stat(diff: &[u8]) -> Result<DiffStat, Refusal> {
    let patch = Patch::parse(diff).map_err(malformed)?;
    let files = patch.files();
    Ok(DiffStat {
        files_changed: files.len() as u64,
        lines_added: files.iter().map(|file| file.additions).sum(),
        lines_removed: files.iter().map(|file| file.deletions).sum(),
    })
}

/// No row names them. If that fails too, they stay as garbage that harms nobody.
async fn forget(plane: &Plane, stored: Vec<ObjectKey>) {
    for key in stored {
        if let Err(fault) = plane.objects.delete(&key).await {
            tracing::warn!(key = key.as_str(), %fault, "an object that no attempt needs could not be deleted");
        }
    }
}
