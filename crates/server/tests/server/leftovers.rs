//! Objects that no row names.

use outwork_store::COLLECT_GRACE;
use serde_json::json;

use crate::rig::worker::{Worker, size};
use crate::rig::{Rig, repository, until};

#[tokio::test]
async fn what_nobody_names_is_removed_a_while_after_the_end() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    rig.task("app", "p").await;
    let worker = Worker::register(&rig, "one").await;
    let claim = worker.take().await;
    let upload = worker.upload(&claim, "checkpoint_diff", "so far").await;
    upload.expect(204);
    let so_far = json!({"epoch": claim.epoch, "diffs": [size("repository", 1)]});
    let checkpoint = format!("/api/worker/v1/attempts/{}/checkpoint", claim.attempt);
    let kept = rig.worker_client().post(&checkpoint, &so_far).await;
    kept.expect(200);
    worker.succeed(&claim, "all").await;

    let objects = rig.directory.path().join("objects/attempts");
    let own = objects.join(&claim.attempt).join("1");
    let slots = [own.join("checkpoint-0"), own.join("checkpoint-1")];
    let checkpoints = || slots.iter().filter(|slot| slot.exists()).count();
    assert_eq!(checkpoints(), 1);
    rig.pass(COLLECT_GRACE).await;
    until(async || checkpoints(), |left| *left == 0).await;
    let diff = std::fs::read(own.join("diff.patch"));
    assert_eq!(diff.expect("it is named"), b"all");
    rig.stop().await;
}
