//! The trees of a checkout, and what the agent made of them.

use crate::diff::{Diff, DiffError};
use crate::hints::Hints;
use crate::import::Importer;
use crate::index::parse_index;
use crate::listing::Listing;
use crate::names::TreeId;
use crate::notes::Notes;
use crate::place::Place;
use crate::process::Input;
use crate::tree_dir::{Content, TreeRoot, read_in, stat_in};
use crate::trusted::{Index, Trusted, blocking};
use crate::walk::{DiffLimits, WalkError, WalkInput, Walked, Warning, walk};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

const AGENT_INDEX_BYTES: u64 = 64 * 1024 * 1024;
const CHUNKS_WAITING: usize = 3;

/// What a diff is made from: the trees of a checkout, in its trusted directory.
#[derive(Debug)]
pub(crate) struct Trees {
    pub(crate) trusted: Trusted,
    /// What the diff is made against.
    pub(crate) base: TreeId,
    /// What the agent found.
    pub(crate) start: TreeId,
    /// How files of the start tree looked, in the layer that has the agent's changes.
    pub(crate) notes: Arc<Notes>,
    /// One diff at a time: they share scratch files. Read when the first is asked for, since most of a start needs none of it.
    listings: tokio::sync::Mutex<Option<Arc<Listings>>>,
}

#[derive(Debug)]
struct Listings {
    commit: Listing,
    start: Listing,
    hints: Hints,
}

/// Where a working tree is, held open.
struct Seen {
    view: TreeRoot,
    changed: TreeRoot,
}

impl Trees {
    pub(crate) fn new(trusted: Trusted, base: TreeId, start: TreeId, notes: Notes) -> Self {
        Self {
            trusted,
            base,
            start,
            notes: Arc::new(notes),
            listings: tokio::sync::Mutex::default(),
        }
    }

    /// The diff of a tree that nobody touched.
    pub(crate) async fn diff_at_start(&self, limits: &DiffLimits) -> Result<Diff, DiffError> {
        let _turn = self.listings.lock().await;
        self.exact(self.start.clone(), Vec::new(), limits).await
    }

    /// The diff of the tree at `view`, of which only what is in `changed` can differ from the start. That may be the view itself: then
    /// everything is looked at.
    pub(crate) async fn diff(
        &self,
        view: &Place,
        changed: &Place,
        limits: &DiffLimits,
    ) -> Result<Diff, DiffError> {
        let root = |source| DiffError::Walk(WalkError::Root(source));
        // The view first: where there is no working tree any more, nothing can be said of its files.
        let view = view.open().map_err(root)?;
        let changed = match changed.open() {
            Ok(changed) => changed,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                return self.diff_at_start(limits).await;
            }
            Err(fault) => return Err(root(fault)),
        };
        let mut turn = self.listings.lock().await;
        let listings = match &*turn {
            Some(listings) => Arc::clone(listings),
            None => Arc::clone(turn.insert(self.load().await?)),
        };
        let seen = Seen { view, changed };
        let (tree, warnings) = self.tree_of(seen, listings, limits).await?;
        self.exact(tree, warnings, limits).await
    }

    /// Reads the indexes. Those come from a snapshot, which may have been damaged; what is in them git can tell anew.
    async fn load(&self) -> Result<Arc<Listings>, DiffError> {
        if let Ok(listings) = load(self.trusted.clone()).await {
            return Ok(listings);
        }
        tracing::warn!(commit = %self.trusted.commit, "an index makes no sense, making it anew");
        let trees = [
            (Index::Commit, self.trusted.commit.as_str()),
            (Index::Base, self.base.as_str()),
            (Index::Start, self.start.as_str()),
        ];
        for (index, tree) in trees {
            self.trusted.read_tree(index, tree).await?;
        }
        load(self.trusted.clone()).await.map_err(DiffError::Folder)
    }

    /// Walks the tree and lets git name what was found.
    async fn tree_of(
        &self,
        seen: Seen,
        listings: Arc<Listings>,
        limits: &DiffLimits,
    ) -> Result<(TreeId, Vec<Warning>), DiffError> {
        let (sender, mut receiver) = mpsc::channel(CHUNKS_WAITING);
        let given_up = GivenUp(Arc::new(AtomicBool::new(false)));
        let walking = {
            let given_up = Arc::clone(&given_up.0);
            let (start, notes) = (self.start.clone(), Arc::clone(&self.notes));
            let (limits, sha256) = (limits.clone(), self.trusted.sha256());
            tokio::task::spawn_blocking(move || {
                let mut hints = listings.hints.clone();
                let index_warning = add_agent_index(&seen, &mut hints, &listings, sha256);
                let input = WalkInput {
                    view: &seen.view,
                    changed: &seen.changed,
                    start: &listings.start,
                    notes: &notes,
                    hints: &hints,
                    limits: &limits,
                    give_up_at: Instant::now() + limits.time,
                    given_up: &given_up,
                    sha256,
                };
                let mut importer = Importer::new(sender);
                let Walked {
                    changes,
                    mut warnings,
                } = walk(&input, &mut importer)?;
                importer
                    .finish(&start, &changes)
                    .map_err(|_| WalkError::GivenUp)?;
                warnings.extend(index_warning);
                Ok(warnings)
            })
        };
        let imported = match receiver.recv().await {
            None => Ok(self.start.clone()),
            Some(first) => {
                let rest = receiver;
                self.import(Input::Stream { first, rest }, limits).await
            }
        };
        let warnings = walking.await.unwrap_or(Err(WalkError::GivenUp));
        match (imported, warnings) {
            (Ok(tree), Ok(warnings)) => Ok((tree, warnings)),
            // When one side ends early the other fails too: the walk knows better why, unless it only lost its reader.
            (Err(fault), Ok(_) | Err(WalkError::GivenUp)) => Err(fault.into()),
            (_, Err(fault)) => Err(DiffError::Walk(fault)),
        }
    }
}

async fn load(trusted: Trusted) -> io::Result<Arc<Listings>> {
    let loading = move || {
        let start = trusted.listing(Index::Start)?;
        Ok(Arc::new(Listings {
            commit: trusted.listing(Index::Commit)?,
            hints: Hints::of(&trusted.listing(Index::Base)?, &start),
            start,
        }))
    };
    blocking(loading).await
}

/// Stops the walking thread when the diff is dropped.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads which paths the agent's own index names. Anything odd about it only means that there are no such hints.
fn add_agent_index(
    seen: &Seen,
    hints: &mut Hints,
    listings: &Listings,
    sha256: bool,
) -> Option<Warning> {
    let Listings { commit, start, .. } = listings;
    let root = seen.changed.open_folder(b"").ok()?;
    if matches!(stat_in(&root, b".git"), Ok(None)) {
        hints.add_index(commit.entries(), commit, start);
        return None;
    }
    let folder = seen.view.open_folder(b".git").ok()?;
    match read_in(&folder, b"index", AGENT_INDEX_BYTES) {
        Ok(Content::Bytes(bytes)) => match parse_index(&bytes, sha256) {
            Ok(entries) => {
                hints.add_index(&entries, commit, start);
                None
            }
            Err(_) => Some(Warning::AgentIndex),
        },
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => None,
        Ok(Content::TooLarge { .. } | Content::NotAFile) | Err(_) => Some(Warning::AgentIndex),
    }
}
