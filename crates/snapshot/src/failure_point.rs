//! Named points at which a test looks at the disk, as it would be found if the process ended there.

use std::sync::{Mutex, PoisonError};

/// Steps of [`crate::Builder::commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FailurePoint {
    Begun,
    Measured,
    MetaWritten,
    Moved,
    Adopted,
}

type Hook = Box<dyn FnMut(FailurePoint) + Send>;

#[derive(Default)]
pub(crate) struct FailurePoints(Mutex<Option<Hook>>);

impl FailurePoints {
    pub(crate) fn set(&self, hook: Hook) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    pub(crate) fn reached(&self, point: FailurePoint) {
        if let Some(hook) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            hook(point);
        }
    }
}
