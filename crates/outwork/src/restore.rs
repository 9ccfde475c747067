//! `outwork restore`: a data directory from a backup, ready for a server to start on it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use outwork_domain::principal::PrincipalKind;
use outwork_domain::{PrincipalId, TokenId, WorkspaceId};
use outwork_server::token;
use outwork_store::{Bootstrap, Fenced, NewToken, Store};

use crate::backup::{
    self, DATABASE, FileDigest, Manifest, OBJECTS, Partial, SECRET_KEY, check_digest, copy,
};
use crate::data_dir::write_secret;
use crate::failure::{Failure, FailureExt, HintExt};
use crate::{say, system};

/// Make a data directory from a backup
///
/// Checks everything in the backup, and takes back what workers held when it was made: those attempts run
/// again, and a worker that still works on one from before is refused. New tokens are made beside the
/// old ones, which stay valid. Only one server may go on: stop the one that was backed up.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  outwork restore /backups/outwork-monday --data-dir /srv/outwork-restored
  outwork restore --database postgres://outwork@db/outwork   # after pg_restore, before a server starts

docs/backup.md says more.")]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "BACKUP", required_unless_present = "database")]
    backup: Option<PathBuf>,
    /// The data directory to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR", required_unless_present = "database")]
    data_dir: Option<PathBuf>,
    /// Only take back what workers held, in a PostgreSQL that was restored with its own tools
    #[arg(long, value_name = "URL", conflicts_with_all = ["backup", "data_dir"])]
    database: Option<String>,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: RestoreArgs) -> Result<(), Failure> {
    let RestoreArgs {
        backup,
        data_dir,
        database,
        json,
    } = args;
    if let Some(url) = database {
        let store = Store::open_postgres(&url)
            .await
            .failure("the PostgreSQL database cannot be opened")
            .hint(
                "Check --database: postgres://USER:PASSWORD@HOST/NAME, and that it was restored.",
            )?;
        let fenced = fence(&store).await?;
        store.close().await;
        told_fenced(&fenced, json);
        return Ok(());
    }
    let (Some(backup), Some(data)) = (backup, data_dir) else {
        unreachable!("clap wants both without --database");
    };
    let manifest = Manifest::read(&backup)?;
    let partial = Partial::begin(&data)?;
    let fenced = bring_back(&backup, &manifest, partial.path()).await?;
    partial.finish()?;
    told(&data, &manifest, &fenced, json);
    Ok(())
}

async fn bring_back(backup: &Path, manifest: &Manifest, to: &Path) -> Result<Fenced, Failure> {
    let database = to.join(DATABASE);
    check_digest(
        &manifest.database,
        &copy(&backup.join(DATABASE), &database)?,
    )?;
    let mut digests = BTreeMap::new();
    for listed in &manifest.objects {
        let path = Path::new(OBJECTS).join(&listed.path);
        check_digest(listed, &copy(&backup.join(&path), &to.join(&path))?)?;
        digests.insert(listed.path.as_str(), listed);
    }
    if manifest.has_secret_key {
        copy(&backup.join(SECRET_KEY), &to.join(SECRET_KEY))?;
    }
    backup::undamaged(&database).await?;
    let store = Store::open_sqlite(&database)
        .await
        .failure("the database of the backup cannot be opened")?;
    complete(&store, &digests).await?;
    let fenced = fence(&store).await?;
    make_tokens(&store, to).await?;
    backup::settle(store, &database).await?;
    forget_older(to).failure("what the upgrade of the database left cannot be removed")?;
    let file = fs::File::open(&database).and_then(|file| file.sync_all());
    file.failure(format!("{} cannot be written", database.display()))?;
    Ok(fenced)
}

/// Every object that a row names is there.
async fn complete(store: &Store, digests: &BTreeMap<&str, &FileDigest>) -> Result<(), Failure> {
    let named = store.named_objects().await;
    for object in named.failure("the database of the backup cannot be read")? {
        let key = object.key.as_str();
        let Some(digest) = digests.get(key) else {
            return Err(Failure::new(format!(
                "a task in the backup names the object {key}, which is not in it"
            ))
            .with_hint("The backup is damaged: take another one."));
        };
        backup::fits(digest, &object)?;
    }
    Ok(())
}

async fn fence(store: &Store) -> Result<Fenced, Failure> {
    let fenced = store.fence(system::now()).await;
    fenced.failure("the restored attempts cannot be given back")
}

/// Tokens of its own: those of the server that was backed up are not in the backup.
async fn make_tokens(store: &Store, to: &Path) -> Result<(), Failure> {
    let failed = "the tokens cannot be made";
    let nobody = Bootstrap {
        workspace_id: WorkspaceId::from_uuid(system::new_uuid()),
        workspace_name: "default".to_owned(),
        tokens: Vec::new(),
    };
    let workspace_id = store.bootstrap(nobody, system::now()).await;
    let workspace_id = workspace_id.failure(failed)?;
    for (file, kind, name) in [
        ("admin.token", PrincipalKind::User, "admin"),
        ("worker.token", PrincipalKind::Worker, "workers"),
    ] {
        let (text, hash) = token::new_token(kind, system::random());
        let new = NewToken {
            token_id: TokenId::from_uuid(system::new_uuid()),
            principal_id: PrincipalId::from_uuid(system::new_uuid()),
            workspace_id,
            kind,
            name: name.to_owned(),
            hash,
            expires_at: None,
        };
        store.add_token(new, system::now()).await.failure(failed)?;
        let path = to.join(file);
        write_secret(&path, text.reveal())
            .failure(format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// The database as it was before it was brought up to date: the backup has it.
fn forget_older(to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name();
        let older = format!("{DATABASE}.before-");
        if name.as_encoded_bytes().starts_with(older.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn told(data: &Path, manifest: &Manifest, fenced: &Fenced, json: bool) {
    if json {
        let told = serde_json::json!({"data_dir": data, "tasks": manifest.tasks,
            "objects": manifest.objects.len(), "given_back": fenced.given_back,
            "unfinished": fenced.unfinished, "has_secret_key": manifest.has_secret_key});
        say::line(told);
        return;
    }
    let shown = data.display();
    say::line(format_args!(
        "Restored {} tasks and {} objects to {shown}.",
        manifest.tasks,
        manifest.objects.len()
    ));
    told_fenced(fenced, false);
    if !manifest.has_secret_key {
        say::line(format_args!(
            "The backup has no secret key: copy yours to {shown}/{SECRET_KEY} (mode 600) before the server starts, or \
             start it once with --forget-secrets."
        ));
    }
    say::line(format_args!("Start it: outwork server --data-dir {shown}"));
    say::line(format_args!(
        "Sign in with the new token: outwork login --token-file {shown}/admin.token"
    ));
}

fn told_fenced(fenced: &Fenced, json: bool) {
    let Fenced {
        floor: _,
        given_back,
        unfinished,
    } = fenced;
    if json {
        let told = serde_json::json!({"given_back": given_back, "unfinished": unfinished});
        say::line(told);
        return;
    }
    say::line(format_args!(
        "{unfinished} attempts had not ended; {given_back} of them were with a worker and run again."
    ));
}
