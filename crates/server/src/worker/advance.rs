//! An attempt is in a later step.

use outwork_api::worker::{Advance, AppendAnswer};
use outwork_domain::{Epoch, Step};
use outwork_failpoint as failpoint;

use super::{WorkerService, desired, wrong};
use crate::refusal::Refusal;

impl WorkerService {
    pub(super) async fn do_advance(
        &self,
        attempt: String,
        request: Advance,
    ) -> Result<AppendAnswer, Refusal> {
        let Advance { epoch, step } = request;
        let epoch = Epoch::new(epoch);
        let attempt = self.spoken_of(&attempt, epoch).await?;
        let step = Step::parse(&step)
            .filter(|step| *step != Step::Leased)
            .ok_or_else(|| {
                wrong(
                    "/step",
                    "must be `preparing`, `setting_up`, `running` or `collecting`",
                )
            })?;
        let (wanted, acknowledged_seq) = self
            .plane
            .store
            .advance(self.workspace, attempt, epoch, step, self.plane.now())
            .await?;
        failpoint::pass("server.step.after");
        Ok(AppendAnswer {
            acknowledged_seq,
            desired: desired(wanted),
        })
    }
}
