//! Connections that read beside the writer.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lite::{Access, Lite};
use crate::error::StoreError;

/// How many there are. Readers do not wait for the writer, nor it for them, and a statement that reads keeps the thread that called it
/// anyway: more would only wait for a processor.
const READERS: usize = 8;

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Lite>>,
    permits: Arc<Semaphore>,
}

/// A connection on loan; it goes back with this value.
#[derive(Debug)]
pub(crate) struct Reader {
    lite: Option<Lite>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(READERS)),
        })
    }

    pub(crate) async fn take(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::unavailable("the store is closed"))?;
        let idle = self.idle().pop();
        let lite = match idle {
            Some(lite) => lite,
            None => Lite::open(&self.path, Access::Read)?,
        };
        Ok(Reader {
            lite: Some(lite),
            readers: Arc::clone(self),
            _permit: permit,
        })
    }

    /// Waits for those on loan, and closes all.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(READERS).expect("a few");
        // If it is closed already, nothing is left to do.
        if let Ok(_all) = self.permits.acquire_many(all).await {
            self.permits.close();
            self.idle().clear();
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Lite>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ON_LOAN: &str = "it is taken away only when this value ends";

impl Deref for Reader {
    type Target = Lite;

    fn deref(&self) -> &Lite {
        self.lite.as_ref().expect(ON_LOAN)
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Lite {
        self.lite.as_mut().expect(ON_LOAN)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut lite = self.lite.take().expect(ON_LOAN);
        // One whose view cannot be ended is closed, and another opened when it is needed.
        match lite.end_view() {
            Ok(()) => self.readers.idle().push(lite),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a reader is opened again"
            ),
        }
    }
}
