//! The data directories of commands that run at the same time: `DATA_DIR/run/1`, `DATA_DIR/run/2`, ….

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::data_dir::DataDir;
use crate::failure::Failure;

/// How many commands can run at once.
const MOST: u32 = 1000;

/// The place of one command.
pub(super) struct Place {
    data_dir: PathBuf,
    /// 1, 2, …
    pub(super) number: u32,
}

impl Place {
    /// The first that nobody holds.
    pub(super) fn take(data_dir: &Path) -> Result<(Self, DataDir), Failure> {
        for number in 1..=MOST {
            if let Some(data) = DataDir::open_if_free(&path(data_dir, number))? {
                let data_dir = data_dir.to_owned();
                return Ok((Self { data_dir, number }, data));
            }
        }
        Err(Failure::new(format!("{MOST} commands run here already"))
            .with_hint("Wait for one of them to end, or name another directory with --data-dir."))
    }

    /// Removes what the others keep of mirrors, images and setups if nobody has used them for `ttl`: as many commands at
    /// once may never run again, and only who holds a place clears it up.
    pub(super) fn clear_idle(&self, ttl: Duration) {
        // There is no gap between them.
        let places = (1..=MOST).map(|number| (number, path(&self.data_dir, number)));
        for (number, place) in places.take_while(|(_, place)| place.exists()) {
            if number == self.number || !is_idle(&place, ttl) {
                continue;
            }
            // The directory and its lock stay: another command may be about to take it.
            if let Ok(Some(data)) = DataDir::open_if_free(&place)
                && let Err(error) = outwork_remove::remove_tree(&data.join("worker"))
            {
                tracing::warn!(place = %place.display(), %error, "what nobody uses any more cannot be removed");
            }
        }
    }
}

fn path(data_dir: &Path, number: u32) -> PathBuf {
    data_dir.join("run").join(number.to_string())
}

/// Whether it keeps something, and was taken last so long ago.
fn is_idle(place: &Path, ttl: Duration) -> bool {
    let taken = || -> io::Result<SystemTime> { place.join("lock").metadata()?.modified() };
    // A clock that was set back makes nothing idle.
    let age = taken().ok().and_then(|taken| taken.elapsed().ok());
    age.is_some_and(|age| age > ttl) && place.join("worker").exists()
}
