//! A store for a test, and looking at what is in it.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use outwork_image::{
    Image, ImageError, ImageRef, ImageStore, ImageStoreConfig, LayerOwner, OpenError, Patience,
    Progress, RegistryAuth,
};

/// Nobody has these ids.
pub const BASE: u32 = 700_000_000;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A store in a directory of its own.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub config: ImageStoreConfig,
}

impl Place {
    pub fn new() -> Self {
        // Something else may have done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let owner = match is_root() {
            true => LayerOwner::Root {
                store_uid_base: BASE,
            },
            false => LayerOwner::User,
        };
        let mut config = ImageStoreConfig::new(dir.path().join("images"), owner, 1 << 30);
        config.patience = Patience {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            retry_after: vec![Duration::from_millis(1); 3],
        };
        Self { dir, config }
    }

    pub fn store(&self) -> ImageStore {
        self.try_store().unwrap()
    }

    pub fn try_store(&self) -> Result<ImageStore, OpenError> {
        ImageStore::open(self.config.clone())
    }

    /// After a pull that failed: what still unpacks a layer of it has to see that first.
    pub async fn store_again(&self) -> ImageStore {
        let mut store = None;
        eventually("the directory to be free", || match self.try_store() {
            Ok(opened) => {
                store = Some(opened);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        })
        .await;
        store.unwrap()
    }

    pub fn root(&self) -> &Path {
        &self.config.root
    }

    /// Names in a directory of the store, sorted.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root().join(directory)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What is removed goes on another thread.
    pub async fn until_no_partial(&self) {
        eventually("nothing partial", || match self.names("partial") {
            names if names.is_empty() => Ok(()),
            names => Err(format!("{names:?}")),
        })
        .await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Directories in layers can be without permissions.
        let removed = Command::new("chmod")
            .args(["-R", "u+rwX"])
            .arg(self.dir.path())
            .status();
        assert!(removed.unwrap().success());
    }
}

pub fn parse(text: &str) -> ImageRef {
    ImageRef::parse(text).unwrap()
}

pub fn auth(username: &str, password: &str) -> RegistryAuth {
    RegistryAuth {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

pub async fn pull(store: &ImageStore, image: &str) -> Result<Image, Arc<ImageError>> {
    within("a pull", store.pull(&parse(image), None, |_| {})).await
}

/// The image and the last progress that was reported.
pub async fn pull_watched(store: &ImageStore, image: &str) -> (Image, Progress) {
    let image = parse(image);
    let last = std::sync::Mutex::new(Progress::default());
    let pulled = store.pull(&image, None, |progress| *last.lock().unwrap() = progress);
    let image = within("a pull", pulled).await.unwrap();
    let last = *last.lock().unwrap();
    (image, last)
}

/// What is said of a failure.
pub async fn failure(store: &ImageStore, image: &str) -> String {
    let error = pull(store, image).await.unwrap_err();
    format!("{:?}: {error}", error.kind())
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), future).await;
    waited.unwrap_or_else(|_| panic!("{what}: nothing for a minute"))
}

pub async fn eventually(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let begun = std::time::Instant::now();
    while let Err(last) = look() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {last}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs a script where the layers of an image are mounted at `merged`, as the sandbox does it: one overlay, in a mount
/// namespace that ends with it.
pub fn in_overlay(image: &Image, script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    for name in ["merged", "empty"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    // An overlay wants two.
    let empty = dir.path().join("empty");
    let lower: Vec<_> = image
        .layers
        .iter()
        .chain([&empty])
        .map(|path| path.to_str().unwrap())
        .collect();
    let mut command = Command::new("unshare");
    match is_root() {
        true => command.arg("--mount"),
        false => command.args(["--user", "--map-root-user", "--mount"]),
    };
    let script = format!(
        "mount -t overlay -o ro,userxattr,lowerdir=\"$0\" none merged && cd merged && {script}"
    );
    let output = command
        .args(["sh", "-c", &script, &lower.join(":")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{}", text(output.stderr));
    text(output.stdout)
}

/// Everything in an image, a line each.
pub fn merged(image: &Image) -> String {
    in_overlay(
        image,
        "find . -mindepth 1 -printf '%P %M %s%l\\n' | sed 's/^\\(.* d.*\\) [0-9]*$/\\1/' | LC_ALL=C sort",
    )
}

pub fn read(image: &Image, path: &str) -> String {
    in_overlay(image, &format!("cat {path}"))
}

/// The directory that cargo builds examples in.
pub fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name)
}
