//! Overlaps: which open tasks are about the same files.

pub(crate) mod dismiss;
pub(crate) mod of_intent;
pub(crate) mod of_task;

use outwork_api::radar::{Certainty, Overlap as Wire};
use outwork_domain::overlap;
use outwork_domain::{Timestamp, WorkspaceId};
use outwork_store::Overlap;

use crate::plane::Plane;
use crate::refusal::Refusal;

/// What ended before does not count.
pub(crate) fn since(plane: &Plane) -> Timestamp {
    plane.now() - overlap::OPEN_FOR
}

/// Declared paths, as they are kept.
pub(crate) fn declared(paths: &[String]) -> Result<Vec<String>, (String, String)> {
    if paths.len() > overlap::NAMED {
        let detail = format!(
            "has {} entries; at most {} are taken: name folders",
            paths.len(),
            overlap::NAMED
        );
        return Err(("/paths".to_owned(), detail));
    }
    let mut kept = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let path = overlap::declared(path);
        let path = path.map_err(|fault| (format!("/paths/{index}"), fault.to_string()))?;
        if !kept.contains(&path) {
            kept.push(path);
        }
    }
    Ok(kept)
}

/// With what a list shows of each task.
async fn wire(
    plane: &Plane,
    workspace: WorkspaceId,
    overlaps: Vec<Overlap>,
) -> Result<Vec<Wire>, Refusal> {
    let ids = overlaps.iter().map(|overlap| overlap.task_id);
    let mut tasks = plane.store.tasks_of_ids(workspace, ids).await?;
    let mut shown = Vec::with_capacity(overlaps.len());
    for overlap in overlaps {
        let Overlap {
            task_id,
            paths,
            path_count,
            certainty,
        } = overlap;
        // It is read after the overlaps, and nothing removes tasks.
        let Some(record) = tasks.remove(&task_id) else {
            continue;
        };
        let (status, _) = record.status();
        shown.push(Wire {
            task_id: task_id.to_string(),
            title: record.task.title,
            status: status.as_str().to_owned(),
            url: format!("{}/tasks/{task_id}", plane.public_url),
            paths,
            path_count,
            certainty: match certainty {
                overlap::Certainty::Named => Certainty::Named,
                overlap::Certainty::Touched => Certainty::Touched,
            },
        });
    }
    Ok(shown)
}
