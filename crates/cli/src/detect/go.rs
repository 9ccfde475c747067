//! Go modules.

use super::folder::Folder;
use super::{Project, part};

pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    if !folder.has("go.mod") {
        return None;
    }
    // With a vendor folder everything is there. `go` in go.mod is a lower bound, and pins nothing.
    let setup = match folder.has("vendor/modules.txt") {
        true => Vec::new(),
        false => vec![part("go mod download", "go.mod")],
    };
    Some(Project {
        setup,
        verify: Some(part("go test ./...", "go.mod")),
        stands_alone: true,
        ..Project::default()
    })
}
