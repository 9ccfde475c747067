//! What an attempt has done so far, kept in case that its worker is lost.

use outwork_api::worker::{Checkpoint, Checkpointed, OutputKind};
use outwork_domain::Epoch;
use outwork_store::{AttemptResult, HandedIn};

use super::finish::Diffs;
use super::{WorkerService, desired};
use crate::refusal::Refusal;

impl WorkerService {
    /// Its objects were uploaded before, beside those of the checkpoint before it.
    pub(super) async fn do_checkpoint(
        &self,
        attempt: String,
        request: Checkpoint,
    ) -> Result<Checkpointed, Refusal> {
        let Checkpoint {
            epoch,
            diffs,
            has_session,
        } = request;
        let epoch = Epoch::new(epoch);
        let id = self.spoken_of(&attempt, epoch).await?;
        self.plane.need_space()?;
        let record = self.held(id, epoch).await?;
        let diffs = self
            .diffs(&record, epoch, OutputKind::CheckpointDiff, diffs)
            .await?;
        let touched = self.touched(&diffs).await?;
        let Diffs { first, further } = diffs;
        let session = match has_session {
            true => Some(
                self.session(id, epoch, OutputKind::CheckpointSession)
                    .await?,
            ),
            false => None,
        };
        let result = AttemptResult {
            epoch,
            diff: first,
            further_diffs: further,
            session,
            message: None,
            tokens: None,
            evidence: Default::default(),
        };
        let store = &self.plane.store;
        let wanted = store
            .checkpoint(
                self.workspace,
                id,
                HandedIn { result, touched },
                self.plane.now(),
            )
            .await?;
        Ok(Checkpointed {
            desired: desired(wanted),
        })
    }
}
