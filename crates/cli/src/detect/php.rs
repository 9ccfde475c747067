//! PHP: composer.

use serde_json::Value;

use super::folder::Folder;
use super::{Project, part};

pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    if !folder.has("composer.lock") {
        return None;
    }
    let package = folder.read("composer.json").unwrap_or_default();
    let package: Value = serde_json::from_str(&package).unwrap_or_default();
    let verify = if !package["scripts"]["test"].is_null() {
        Some(part("composer test", "the script test in composer.json"))
    } else {
        let file = folder.first(&["phpunit.xml", "phpunit.xml.dist"]);
        file.map(|file| part("vendor/bin/phpunit", file))
    };
    Some(Project {
        setup: vec![part("composer install --no-interaction", "composer.lock")],
        verify,
        stands_alone: true,
        ..Project::default()
    })
}
