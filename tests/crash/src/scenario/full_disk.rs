//! A disk that fills up below the server's data.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::away::end;
use super::{Shown, state, submit, until, work};
use crate::site::{Engine, Plan, Site};

const DISK: &str = "size=48m,mode=755";
/// Free bytes that are left: less than the server's reserve, more than nothing.
const LEFT_BYTES: u64 = 2 << 20;

pub(crate) async fn run(engine: Engine) -> Result<Shown> {
    let disk = Disk::mount()?;
    let site = Site::start(Plan {
        engine,
        lease: Some("5s"),
        workers: 1,
        slots: 2,
        data: Some(disk.path.join("data")),
        dealer: None,
    })
    .await?;
    let long = submit(&site, &work("f1", 1000, 200)).await?.summary.id;
    let ending = submit(&site, &work("f2", 30, 200)).await?.summary.id;
    for id in [&long, &ending] {
        until(&site, id, "the agent runs", |task| state(task) == "running").await?;
    }
    let filler = disk.path.join("filler");
    let mut file = fs::File::create(&filler)?;
    fill(&mut file, &disk, LEFT_BYTES)?;
    let refused = submit(&site, &work("f3", 2, 10)).await;
    let problem = match &refused {
        Ok(task) => anyhow::bail!("a nearly full disk took {task:?}"),
        Err(error) => error
            .downcast_ref::<outwork_api::client::ClientError>()
            .and_then(|error| error.problem())
            .context("not a refusal")?
            .clone(),
    };
    ensure!(problem.status == 507, "{problem:?}");
    let free = disk.free_bytes()?;
    ensure!(free > 0, "it was refused only when the disk was full");
    site.client
        .cancel_task(&long)
        .await
        .context("cancelling on a full disk")?;
    until(&site, &long, "it is cancelled", |task| {
        state(task) == "cancelled"
    })
    .await?;
    // Really full now.
    fill(&mut file, &disk, 0)?;
    let refused = submit(&site, &work("f4", 2, 10)).await;
    ensure!(refused.is_err(), "a full disk took {refused:?}");
    ensure!(
        state(&site.client.task(&long).await?) == "cancelled",
        "reading"
    );
    drop(file);
    fs::remove_file(&filler)?;
    let after = submit(&site, &work("f5", 3, 10)).await?.summary.id;
    for id in [&ending, &after] {
        let ended = until(&site, id, "it ends", |task| task.summary.outcome.is_some()).await?;
        let attempt = &ended.turns[0].attempts[0];
        ensure!(
            attempt.state == "succeeded" && attempt.tries == 1,
            "{attempt:?}"
        );
    }
    end(site).await?;
    Ok(Shown {
        scenario: "the disk of the server's data fills up",
        seen: format!(
            "refused with 507 while {} KiB were free; a cancel was taken then, and reads went on when nothing was free; taken again without a restart, and what ran ended in its first try",
            free >> 10
        ),
    })
}

/// A small disk, gone with this.
struct Disk {
    path: PathBuf,
    _place: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Result<Self> {
        let place = tempfile::Builder::new().prefix("crash-disk-").tempdir()?;
        let path = place.path().join("disk");
        fs::create_dir(&path)?;
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(&path);
        ensure!(
            mounted.status()?.success(),
            "a small disk needs root's rights to be mounted"
        );
        Ok(Self {
            path,
            _place: place,
        })
    }

    fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail * stat.f_frsize)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(&self.path)
            .status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path.display());
        }
    }
}

/// Writes until so much is free.
fn fill(file: &mut fs::File, disk: &Disk, left_bytes: u64) -> Result<()> {
    let zeros = vec![0; 64 * 1024];
    while disk.free_bytes()? > left_bytes {
        if file.write_all(&zeros).is_err() {
            break;
        }
    }
    Ok(())
}
