//! Pulls an image into a directory and prints its layers: `pull DIRECTORY REFERENCE`.
//!
//! Root's layers are owned by ids from 700000000 on. Files anywhere may be images.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

use std::path::PathBuf;

use outwork_image::{ImageRef, ImageStore, ImageStoreConfig, LayerOwner};

const STORE_UID_BASE: u32 = 700_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "TLS is set up already")?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [directory, reference] = &arguments[..] else {
        return Err("usage: pull DIRECTORY REFERENCE".into());
    };
    let owner = match rustix::process::geteuid().is_root() {
        true => LayerOwner::Root {
            store_uid_base: STORE_UID_BASE,
        },
        false => LayerOwner::User,
    };
    let mut config = ImageStoreConfig::new(PathBuf::from(directory), owner, u64::MAX);
    config.allow_local = vec!["/".into()];
    let store = ImageStore::open(config)?;
    let image = ImageRef::parse(reference)?;
    let image = store
        .pull(&image, None, |progress| println!("{progress:?}"))
        .await?;
    println!("{}", image.digest);
    for layer in &image.layers {
        println!("{}", layer.display());
    }
    Ok(())
}
