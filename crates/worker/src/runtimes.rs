//! Pinned runtimes: which versions there are, which one a pin means, and how commands find it.
//!
//! Versions come from the base (a script looks for them inside, once for each base) and from the operator's directory
//! (`<name>/<version>/bin`). The chosen one comes first on `PATH`: its own directory if it has one, else links to its
//! programs, so that nothing else of a shared directory such as `/usr/bin` changes its place.

mod candidate;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use outwork_domain::{Failure, FailureCode};
use outwork_git::ReadOnlyBind;
use tokio::sync::{Mutex, OnceCell};

use crate::sandbox_layout::RUNTIMES;
use candidate::Version;
pub(crate) use candidate::{Candidate, parse_found};

/// What the operator offers: `<directory>/<name>/<version>/bin`; an entry may be a link to where it really is.
pub(crate) fn offered(directory: &Path, name: &str) -> Vec<Candidate> {
    let entries = std::fs::read_dir(directory.join(name));
    let candidate = |entry: std::fs::DirEntry| {
        let host = std::fs::canonicalize(entry.path()).ok()?;
        let text = entry.file_name().into_string().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        let version = Version::parse(text.trim_start_matches('v'))?;
        if !text.chars().all(plain) || !host.join("bin").is_dir() {
            return None;
        }
        let inside = format!("{RUNTIMES}/{name}/{text}");
        Some(Candidate {
            name: name.to_owned(),
            version,
            bin: format!("{inside}/bin"),
            links: Vec::new(),
            bind: Some(ReadOnlyBind {
                host,
                inside: inside.into(),
            }),
        })
    };
    let entries = entries.into_iter().flatten().flatten();
    entries.filter_map(candidate).collect()
}

/// The highest version that begins with the pinned numbers; of two, the first.
fn choose<'a>(candidates: &'a [Candidate], name: &str, pin: &Version) -> Option<&'a Candidate> {
    let fits =
        |candidate: &&Candidate| candidate.name == name && candidate.version.begins_with(pin);
    candidates
        .iter()
        .filter(fits)
        .rev()
        .max_by(|a, b| a.version.cmp(&b.version))
}

/// What an attempt's pinned runtimes came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtimes {
    chosen: Vec<Candidate>,
}

impl Runtimes {
    /// # Errors
    /// A pin that nothing fits; the failure names what there is. `place` says where that was looked for.
    pub(crate) fn choose(
        pins: &BTreeMap<String, String>,
        candidates: &[Candidate],
        place: &str,
        environment: &str,
    ) -> Result<Self, Failure> {
        let mut chosen = Vec::new();
        for (name, text) in pins {
            let found = Version::parse(text).and_then(|pin| choose(candidates, name, &pin));
            match found {
                Some(candidate) => chosen.push(candidate.clone()),
                None => return Err(unavailable(name, text, candidates, place, environment)),
            }
        }
        Ok(Self { chosen })
    }

    /// The version that was found for a pin, and where; empty if there is no such pin.
    pub(crate) fn chosen(&self, name: &str) -> String {
        let chosen = self.chosen.iter().find(|chosen| chosen.name == name);
        chosen.map_or_else(String::new, |chosen| {
            format!("{} {}", chosen.version, chosen.bin)
        })
    }

    pub(crate) fn binds(&self) -> impl Iterator<Item = ReadOnlyBind> {
        self.chosen.iter().filter_map(|chosen| chosen.bind.clone())
    }

    /// Where links are to be made inside, and what to.
    pub(crate) fn links(&self) -> Vec<(String, String)> {
        let of = |chosen: &Candidate| {
            let directory = chosen.search_directory();
            let links = chosen.links.clone().into_iter();
            links.map(move |(link, to)| (format!("{directory}/{link}"), to))
        };
        self.chosen.iter().flat_map(of).collect()
    }

    /// Puts them first on the PATH, but for what setup itself put in front of them.
    pub(crate) fn add_to(&self, variables: &mut BTreeMap<String, String>) {
        const FIRST: &str = "/usr/local/sbin";
        if self.chosen.is_empty() {
            return;
        }
        let path = variables.get("PATH").cloned().unwrap_or_default();
        let mut parts: Vec<String> = path.split(':').map(str::to_owned).collect();
        let at = usize::from(parts.first().is_some_and(|first| first == FIRST));
        parts.splice(at..at, self.chosen.iter().map(Candidate::search_directory));
        variables.insert("PATH".to_owned(), parts.join(":"));
        variables.extend(self.chosen.iter().flat_map(Candidate::variables));
    }
}

fn unavailable(
    name: &str,
    pin: &str,
    candidates: &[Candidate],
    place: &str,
    environment: &str,
) -> Failure {
    let mut versions: Vec<&Version> = candidates
        .iter()
        .filter(|candidate| candidate.name == name)
        .map(|candidate| &candidate.version)
        .collect();
    versions.sort();
    versions.dedup();
    let there: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let there = match there.as_slice() {
        [] => format!("there is no {name} at all"),
        _ => format!("there is {}", there.join(", ")),
    };
    let label = crate::failure::quoted(environment);
    Failure::new(
        FailureCode::RuntimeUnavailable,
        format!("{name} {pin} is not on {place}: {there}."),
    )
    .with_hint(format!(
        "Pin another version with `outwork env edit {label} --runtime {name}=VERSION`, choose an image that has it with \
         `--image`, or offer it on the worker below `--runtimes-dir`."
    ))
}

/// What was found on one base; empty until somebody looked.
type OnBase = Arc<OnceCell<Arc<Vec<Candidate>>>>;

/// What was found on each base, by what names the base.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<HashMap<String, OnBase>>);

/// Bases that are remembered; looking again takes a second.
const REMEMBERED: usize = 100;

impl Found {
    /// What was found on `base`; looks for it if nobody did, once for all who ask at once.
    pub(crate) async fn on<E>(
        &self,
        base: &str,
        look: impl AsyncFnOnce() -> Result<Vec<Candidate>, E>,
    ) -> Result<Arc<Vec<Candidate>>, E> {
        let cell = {
            let mut known = self.0.lock().await;
            if known.len() >= REMEMBERED && !known.contains_key(base) {
                known.clear();
            }
            Arc::clone(known.entry(base.to_owned()).or_default())
        };
        let found = cell
            .get_or_try_init(async || look().await.map(Arc::new))
            .await?;
        Ok(Arc::clone(found))
    }
}

/// Looks for versions in well-known places; for bash, which every base has.
pub(crate) const LOOK: &str = include_str!("runtimes/look.sh");

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Candidate> {
        parse_found(
            "python\t3.11.2\t/usr/bin/python3.11\tpip3\n\
             python\t3.9.10\t/usr/local/bin/python3.9\t\n\
             node\t22.9.0\t/opt/node-22/bin/node\tnpm npx\n\
             java\t17.0.1\t/usr/lib/jvm/java-17/bin/java\t\n\
             nonsense\n",
        )
    }

    fn pins(pins: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, pin): &(&str, &str)| ((*name).to_owned(), (*pin).to_owned());
        pins.iter().map(owned).collect()
    }

    #[test]
    fn a_pin_means_the_highest_version_that_begins_with_its_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("3.11.2") > version("3.9.10"));
        assert!(version("3.11.2").begins_with(&version("3.11")));
        assert!(!version("3.11.2").begins_with(&version("3.1")));
        assert_eq!(Version::parse("1.95.0-x86_64"), Version::parse("1.95.0"));
        assert_eq!(Version::parse("stable"), None);
        let chosen = choose(&found(), "python", &version("3")).unwrap().clone();
        assert_eq!(chosen.bin, "/usr/bin");
    }

    #[test]
    fn a_runtime_of_a_shared_directory_is_reached_by_links_and_others_by_their_directory() {
        let pins = pins(&[("python", "3.11"), ("node", "22"), ("java", "17")]);
        let runtimes = Runtimes::choose(&pins, &found(), "x", "web").unwrap();
        let mut variables = BTreeMap::from([(
            "PATH".to_owned(),
            "/usr/local/sbin:/usr/local/bin:/usr/bin".to_owned(),
        )]);
        runtimes.add_to(&mut variables);
        assert_eq!(
            variables["PATH"],
            "/usr/local/sbin:/usr/lib/jvm/java-17/bin:/opt/node-22/bin:/outwork/runtimes/python/bin:/usr/local/bin:/usr/bin"
        );
        assert_eq!(variables["JAVA_HOME"], "/usr/lib/jvm/java-17");
        let link = |name: &str, to: &str| {
            (
                format!("/outwork/runtimes/python/bin/{name}"),
                to.to_owned(),
            )
        };
        assert_eq!(
            runtimes.links(),
            [
                link("python", "/usr/bin/python3.11"),
                link("python3", "/usr/bin/python3.11"),
                link("python3.11", "/usr/bin/python3.11"),
                link("pip3", "/usr/bin/pip3"),
            ]
        );
    }

    #[test]
    fn what_is_missing_is_told_with_what_there_is() {
        let failure = Runtimes::choose(
            &pins(&[("python", "3.14")]),
            &found(),
            "the worker's own system",
            "web",
        )
        .unwrap_err();
        assert_eq!(failure.code, FailureCode::RuntimeUnavailable);
        assert_eq!(
            failure.message,
            "python 3.14 is not on the worker's own system: there is 3.9.10, 3.11.2."
        );
        assert!(
            failure
                .hint
                .unwrap()
                .contains("outwork env edit web --runtime python=VERSION")
        );
    }

    #[test]
    fn the_operator_offers_directories_and_links_to_them() {
        let data = tempfile::tempdir().unwrap();
        let real = data.path().join("toolchain");
        std::fs::create_dir_all(real.join("bin")).unwrap();
        let offers = data.path().join("offers/rust");
        std::fs::create_dir_all(&offers).unwrap();
        std::os::unix::fs::symlink(&real, offers.join("1.95.0")).unwrap();
        std::fs::create_dir(offers.join("without programs")).unwrap();
        let found = offered(&data.path().join("offers"), "rust");
        let [rust] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(rust.bin, "/outwork/runtimes/rust/1.95.0/bin");
        assert_eq!(
            rust.bind.as_ref().unwrap().host,
            real.canonicalize().unwrap()
        );
    }
}
