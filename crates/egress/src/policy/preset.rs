//! Lists of domains that come with the program.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::domain::covers;

/// A list that an environment's own domains are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    None,
    /// Package registries, source hosts, distributions, languages.
    Common,
}

/// One parent domain on each line, `#` before what is said about them.
const COMMON: &str = include_str!("common.txt");

impl Preset {
    /// The preset's domains, in the order of the file.
    pub fn domains(self) -> impl Iterator<Item = &'static str> {
        let text = match self {
            Self::None => "",
            Self::Common => COMMON,
        };
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// Which of them covers `name`: lower case, without a final dot.
    pub(super) fn covering(self, name: &str) -> Option<&'static str> {
        self.domains().find(|domain| covers(domain, name))
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Common => "common",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Domain;

    #[test]
    fn the_common_list_is_parent_domains_each_once() {
        let domains: Vec<_> = Preset::Common.domains().collect();
        assert!(domains.len() >= 80, "{}", domains.len());
        for domain in &domains {
            let parsed = Domain::parse(domain).expect(domain);
            assert_eq!(parsed.as_str(), *domain, "in its one form");
            let covering = domains.iter().filter(|other| covers(other, domain));
            assert_eq!(covering.count(), 1, "{domain} is covered by another entry");
        }
    }

    #[test]
    fn what_anybody_can_upload_to_is_marked() {
        // Each of these hands out what a stranger put there; the file says so in the line above.
        let lines: Vec<_> = COMMON.lines().collect();
        for domain in [
            "github.com",
            "githubusercontent.com",
            "gitlab.com",
            "huggingface.co",
        ] {
            let at = lines.iter().position(|line| line == &domain).expect(domain);
            let above = lines[..at].iter().rev();
            let block = above.skip_while(|line| !line.starts_with('#'));
            let mut block = block.take_while(|line| line.starts_with('#'));
            let is_said = block.any(|line| line.to_lowercase().contains("anybody"));
            assert!(is_said, "{domain}");
        }
        for never in [
            "pastebin.com",
            "transfer.sh",
            "ngrok.io",
            "amazonaws.com",
            "googleapis.com",
            "cloudfront.net",
            "azureedge.net",
            "windows.net",
            "webhook.site",
            "requestbin.com",
            "gist.io",
            "herokuapp.com",
            "vercel.app",
            "netlify.app",
            "workers.dev",
            "github.io",
        ] {
            assert_eq!(Preset::Common.covering(never), None, "{never}");
        }
    }

    #[test]
    fn a_preset_covers_what_is_below() {
        let npm = "a.b.npmjs.org";
        assert_eq!(Preset::Common.covering(npm), Some("npmjs.org"));
        assert_eq!(Preset::Common.covering("evilnpmjs.org"), None);
        assert_eq!(Preset::None.covering("npmjs.org"), None);
    }
}
