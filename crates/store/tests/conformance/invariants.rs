//! What must hold of any database, whatever a test did to it.

use std::collections::BTreeSet;

use outwork_domain::{Attempt, WorkspaceId};
use outwork_store::{Store, TaskFilter};

/// Every task is listed once; logs are numbered without gaps and end in the attempt's state.
pub(crate) async fn check(store: &Store, workspace: WorkspaceId) {
    let mut cursor: Option<String> = None;
    let mut seen = BTreeSet::new();
    loop {
        let page = store
            .tasks(workspace, TaskFilter::default(), 100, cursor.as_deref())
            .await
            .expect("listing works");
        for record in page.items {
            let whole = store.task(workspace, record.task.id).await;
            let whole = whole.expect("reading works").expect("it is in the list");
            for turn in &whole.turns {
                for attempt in &turn.attempts {
                    check_log(store, workspace, &attempt.attempt).await;
                }
            }
            assert!(seen.insert(whole.task.id), "listed twice");
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return,
        }
    }
}

async fn check_log(store: &Store, workspace: WorkspaceId, attempt: &Attempt) {
    let log = store.events(workspace, attempt.id, 0, u32::MAX).await;
    let log = log.expect("reading works");
    let numbers: Vec<i64> = log.iter().map(|event| event.seq).collect();
    let wanted: Vec<i64> = (1..=i64::try_from(log.len()).expect("short")).collect();
    assert_eq!(numbers, wanted, "the log of {:?} has gaps", attempt.id);
    let last = log
        .iter()
        .filter_map(|event| {
            let body: serde_json::Value = serde_json::from_str(&event.json).expect("JSON");
            (body["type"] == "state").then(|| body["state"].as_str().map(str::to_owned))
        })
        .next_back();
    assert_eq!(last, Some(Some(attempt.state.as_str().to_owned())));
    assert_eq!(attempt.due_at().is_none(), attempt.state.is_final());
}
