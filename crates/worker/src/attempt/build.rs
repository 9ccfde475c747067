//! Building a snapshot: checkouts, setup, and everything that makes the result fit to be kept.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use outwork_api::secret::Secret;
use outwork_domain::Failure;
use outwork_git::{Checkout, CheckoutRequest, Owner, Place, Restored};
use outwork_sandbox::change_owner;
use outwork_snapshot::Builder;
use outwork_snapshot::scan::{self, Limits, Needle};
use serde_json::{Value, json};

use super::prepare::Repository;
use super::script::ScriptRun;
use super::snapshot::script;
use super::step::StepName;
use super::{Run, Stopped, read};
use crate::base::{Base, StoredIds, Volume};
use crate::failure::{self, Script};
use crate::layers::UpperDir;
use crate::sandbox_layout as inside;

/// Where a snapshot keeps the git directories of its checkouts: beside the volumes, seen by no sandbox.
const GIT: &str = "git";

/// In what is written down with a snapshot: how often the cache had been reset.
pub(crate) const GENERATION: &str = "cache_generation";

/// Warnings about single places.
const FOUND_SHOWN: usize = 10;
const SHOWN_PATH_BYTES: usize = 1000;

/// The git directory of a repository in a snapshot.
pub(super) fn git_dir(snapshot: &Path, repository: &str) -> std::path::PathBuf {
    snapshot.join(GIT).join(repository)
}

/// What was built.
pub(super) struct Built {
    /// To be written down with it.
    pub(super) payload: Value,
    /// The script ran on the very commits that the attempt starts from.
    pub(super) is_of_attempt: bool,
}

/// Makes the tree in the builder's directory.
pub(super) async fn run(
    run: &Run,
    base: &Base,
    builder: &Builder<Failure>,
) -> Result<Built, Stopped> {
    let ids = run.host.ids;
    let text = script(run.assignment.setup_script.as_deref());
    let has_script = text.is_some();
    let upper = UpperDir::create(builder.dir().to_owned(), base, ids)
        .and_then(|upper| {
            // Package managers keep no cache in a home that is not theirs; it is given to the agent after the script.
            upper.create_home(if has_script { ids.root } else { ids.agent })?;
            upper.empty_tmp()?;
            std::fs::create_dir(builder.dir().join(GIT))?;
            Ok(upper)
        })
        .map_err(|error| failure::internal("the snapshot's directory cannot be made", &error))?;
    let checkouts = run
        .bounded(StepName::Checkout, check_out(run, &upper, has_script))
        .await?;
    let commits = checkouts.iter().zip(run.repositories.iter());
    let is_of_attempt = commits
        .into_iter()
        .all(|(checkout, repository)| *checkout.commit() == repository.commit);
    if let Some(text) = text {
        let binds = checkouts.iter().flat_map(|made| made.binds().to_vec());
        let script = ScriptRun {
            script: Script::Setup,
            text,
            base,
            overlays: overlays(base, &upper, &[]),
            binds: binds.collect(),
        };
        script
            .run(run, |error| Stopped::from(Failure::from(error)))
            .await?;
    }
    let settled = settle(run, base, &upper, checkouts, has_script);
    run.bounded_as(StepName::Setup, "Keeping what setup left", settled)
        .await?;
    // For the server, which cannot tell from the key.
    Ok(Built {
        payload: json!({ GENERATION: run.assignment.cache_generation }),
        is_of_attempt,
    })
}

pub(super) fn overlays(
    base: &Base,
    upper: &UpperDir,
    layers: &[std::path::PathBuf],
) -> Vec<outwork_sandbox::Overlay> {
    let volumes = base.volumes().iter();
    volumes
        .map(|volume| upper.overlay(*volume, layers, base))
        .collect()
}

/// A script runs on the environment's own branch: what it leaves is for all tasks, so the branch of one must not bring the
/// code that runs. Without a script it is the attempt's commit, and nothing is asked. When an attempt starts, the
/// difference to its commit is written.
async fn check_out(
    run: &Run,
    upper: &UpperDir,
    has_script: bool,
) -> Result<Vec<Checkout>, Failure> {
    let made = run.repositories.iter().map(|repository| async move {
        let Repository {
            name,
            mirror,
            commit,
            branch,
            setup_branch,
            starting_diff: _,
            carried_diff: _,
        } = repository;
        let (commit, branch) = match has_script {
            true => read::patiently(run, || mirror.newest(setup_branch.as_ref()).boxed()).await?,
            false => (commit.clone(), branch.clone()),
        };
        let request = CheckoutRequest {
            directory: upper.inside(&inside::checkout(name)),
            trusted_git_dir: git_dir(upper.path(), name),
            alternates_inside: inside::objects(name),
            branch,
            owner: Some(agent(run.host.ids)),
        };
        let made = mirror.checkout(&commit, &request).await;
        made.map_err(|error| failure::checkout("checkout", &error))
    });
    try_join_all(made).await
}

pub(super) fn agent(ids: StoredIds) -> Owner {
    let (uid, gid) = ids.agent;
    Owner { uid, gid }
}

/// What a script left becomes what an agent finds. Everything inside is dead by now.
async fn settle(
    run: &Run,
    base: &Base,
    upper: &UpperDir,
    checkouts: Vec<Checkout>,
    has_script: bool,
) -> Result<(), Failure> {
    {
        let (upper, base, ids) = (upper.clone(), base.clone(), run.host.ids);
        blocking("settling the snapshot", move || {
            upper.remove_work(&base)?;
            if has_script {
                upper.empty_tmp()?;
                give_to_agent(&upper, ids)?;
            }
            Ok(())
        })
        .await?;
    }
    let place = |name: &str| {
        Place::new(
            upper.volume(Volume::Root),
            inside::checkout(name).trim_start_matches('/'),
        )
    };
    let mut restored = Vec::new();
    for (checkout, repository) in checkouts.into_iter().zip(run.repositories.iter()) {
        let sealed = checkout.seal(&place(&repository.name)).await;
        let sealed = sealed.map_err(|error| failure::checkout("snapshot", &error))?;
        restored.push((repository.name.as_str(), sealed));
    }
    warn_of(run, Script::Setup, &restored);
    if has_script {
        scan(run, Script::Setup, upper).await?;
    }
    Ok(())
}

/// What a script made as root in the checkouts and the home is the agent's.
pub(super) fn give_to_agent(upper: &UpperDir, ids: StoredIds) -> std::io::Result<()> {
    if !ids.is_changed {
        return Ok(());
    }
    for path in [inside::WORKSPACE, inside::HOME] {
        if let Some(path) = upper.directory_inside(path) {
            change_owner(&path, ids.root, ids.agent).map_err(std::io::Error::other)?;
        }
    }
    Ok(())
}

/// Names the tracked files that were put back.
pub(super) fn warn_of(run: &Run, script: Script, restored: &[(&str, Restored)]) {
    let several = restored.len() > 1;
    let mut names = Vec::new();
    let mut total = 0;
    for (repository, restored) in restored {
        let shown = restored.paths.iter().map(|path| match several {
            true => format!("{repository}/{path}"),
            false => path.clone(),
        });
        names.extend(shown);
        total += restored.total;
    }
    if total == 0 {
        return;
    }
    let more = total - names.len().min(total);
    let mut list = names.join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    run.warn(format!(
        "{} changed files that the repository tracks; they were put back: {list}.",
        script.sentence()
    ));
}

/// Looks for secrets that the script wrote down: the agent will be able to read them.
pub(super) async fn scan(run: &Run, script: Script, upper: &UpperDir) -> Result<(), Failure> {
    let secrets: Vec<(String, Secret)> = run
        .assignment
        .secrets
        .iter()
        .map(|secret| (secret.name.clone(), secret.value.clone()))
        .collect();
    if secrets.is_empty() {
        return Ok(());
    }
    let path = upper.path().to_owned();
    let limits = Limits::default();
    let _stop = StopOnDrop(Arc::clone(&limits.stop));
    let report = blocking("looking for secrets in the snapshot", move || {
        let needles: Vec<Needle<'_>> = secrets
            .iter()
            .map(|(name, value)| Needle {
                name,
                value: value.reveal(),
            })
            .collect();
        scan::scan(&path, &needles, &limits)
    });
    let report = report.await?;
    for found in report.found.iter().take(FOUND_SHOWN) {
        run.warn(format!(
            "{} wrote the secret {} into {}: the agent can read it there.",
            script.sentence(),
            found.name,
            seen_at(Path::new(&found.path))
        ));
    }
    let left_out = report.found.len().saturating_sub(FOUND_SHOWN);
    if left_out > 0 || !report.more.is_empty() {
        run.warn("There are more places with secrets than are named here.");
    }
    if report.unreadable > 0 {
        run.warn(format!(
            "{} left {} files or directories that the worker may not read, so they were not searched for secrets.",
            script.sentence(),
            report.unreadable
        ));
    }
    if report.is_cut_off {
        run.warn(format!(
            "{} left too much to be searched for secrets as a whole.",
            script.sentence()
        ));
    }
    Ok(())
}

/// From the place in a snapshot to the path inside.
fn seen_at(path: &Path) -> String {
    let mut parts = path.components();
    let volume = parts.next().map(|part| part.as_os_str());
    let volumes = [Volume::Root, Volume::UsrLocal, Volume::Opt];
    let volume = volumes
        .into_iter()
        .find(|known| volume == Some(known.directory().as_ref()));
    let path = match volume {
        Some(volume) => Path::new(volume.target())
            .join(parts.as_path())
            .display()
            .to_string(),
        None => path.display().to_string(),
    };
    // It may be as deep as a script likes.
    match path.len() {
        ..=SHOWN_PATH_BYTES => path,
        _ => format!("{} …", &path[..path.floor_char_boundary(SHOWN_PATH_BYTES)]),
    }
}

/// Ends a search that nobody waits for any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Beside the runtime: it waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failure::internal(&format!("{what} failed"), &error)),
        Err(error) => Err(failure::internal(&format!("{what} panicked"), &error)),
    }
}
