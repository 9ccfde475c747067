//! Ruby: bundler.

use super::folder::Folder;
use super::{Project, part};

pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    if !folder.has("Gemfile.lock") {
        return None;
    }
    // Into the home, which is the agent's; its settings are there, too.
    let setup = part(
        "bundle config set --global path \"$HOME/.gems\"\nbundle install",
        "Gemfile.lock",
    );
    let has_specs =
        folder.has(".rspec") || folder.below("spec").any(|path| path.ends_with("_spec.rb"));
    let verify = if has_specs {
        Some(part("bundle exec rspec", "spec"))
    } else if folder.has("bin/rails") && folder.below("test").next().is_some() {
        Some(part("bin/rails test", "bin/rails"))
    } else if folder.has("Rakefile") && folder.below("test").next().is_some() {
        Some(part("bundle exec rake test", "Rakefile"))
    } else {
        None
    };
    Some(Project {
        setup: vec![setup],
        verify,
        stands_alone: true,
        ..Project::default()
    })
}
