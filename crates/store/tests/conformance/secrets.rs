//! Secrets of environments.

use outwork_domain::environment::{Repository, Runtime, RuntimeName, SecretName};
use outwork_domain::network::{AgentNetwork, DomainName, Methods, NetworkRules, Preset, Tls};
use outwork_domain::resources::Resources;
use outwork_store::{EnvironmentRecord, SealedSecret, SecretChange, StoreError};

use crate::bed::{Bed, at};
use crate::environments::stored;
use crate::past_the_store::execute;

fn set(name: &str, sealed: u8) -> SecretChange {
    SecretChange::Set {
        name: name.into(),
        sealed: vec![sealed, 0, 255],
    }
}

fn remove(name: &str) -> SecretChange {
    SecretChange::Remove { name: name.into() }
}

fn versions(record: &EnvironmentRecord) -> Vec<(&str, i64)> {
    let of = |secret: &SecretName| secret.version;
    let secrets = record.secrets.iter();
    secrets
        .map(|secret| (secret.name.as_str(), of(secret)))
        .collect()
}

async fn edit(bed: &Bed, ms: i64, changes: Vec<SecretChange>) -> EnvironmentRecord {
    let mut wanted = bed.environment.clone();
    wanted.updated_at = at(ms);
    let edited = bed.store.update_environment(&wanted, changes, None).await;
    edited.expect("works")
}

async fn all_of_an_environment_is_read_as_it_was_written(bed: Bed) {
    let mut environment = bed.new_environment("all of it");
    let spec = &mut environment.spec;
    spec.further_repositories = vec![
        Repository {
            name: "docs".into(),
            url: "https://git.example.com/\"docs\"".into(),
            branch: Some("next".into()),
        },
        Repository {
            name: "web".into(),
            url: "/srv/web".into(),
            branch: None,
        },
    ];
    spec.base_image = Some("debian:12".into());
    spec.runtimes = RuntimeName::ALL
        .map(|name| Runtime {
            name,
            version: "1.2".into(),
        })
        .to_vec();
    spec.maintenance_script = Some("maintain ü".into());
    spec.verify_command = Some("verify".into());
    spec.verify_timeout = std::time::Duration::from_millis(4_321);
    spec.setup_timeout = std::time::Duration::from_millis(1_234);
    spec.network = AgentNetwork::On(NetworkRules {
        preset: Preset::Common,
        allow: ["b.example", "a.example"]
            .map(|name| DomainName::parse(name).expect("a name"))
            .into(),
        ports: [443, 8443].into(),
        methods: Methods::ReadOnly,
        git_push: true,
        websocket: true,
        tls: Tls::Inspect,
    });
    spec.resources = Resources {
        memory_bytes: Some(1 << 30),
        cpu_millis: Some(500),
        processes: Some(64),
        disk_bytes: Some(1 << 50),
        open_files: Some(1024),
    };
    spec.nested_namespaces = true;
    spec.max_tokens = Some(1 << 53);
    let secrets = vec![set("B", 2), set("A", 1)];
    let made = bed.store.insert_environment(&environment, secrets).await;
    let made = made.expect("new");
    assert_eq!(made.environment, environment);
    let read = bed.store.environment(bed.workspace, environment.id).await;
    assert_eq!(read.expect("works").as_ref(), Some(&made));
    let found = bed
        .store
        .environment_by_label(bed.workspace, "ALL of it")
        .await;
    assert_eq!(found.expect("works").as_ref(), Some(&made));
    let listed = bed.store.environments(bed.workspace, 9, None).await;
    let listed = listed.expect("works").items;
    assert_eq!(listed, [made.clone(), stored(&bed.environment)]);
    let version = made.secrets[0].version;
    let named = |name: &str| SecretName {
        name: name.into(),
        version,
        updated_at: at(0),
    };
    assert_eq!(made.secrets, [named("A"), named("B")]);
}

async fn no_version_is_given_twice(bed: Bed) {
    let first = edit(&bed, 1, vec![set("A", 1), set("B", 1)]).await;
    let v1 = first.secrets[0].version;
    assert_eq!(versions(&first), [("A", v1), ("B", v1)]);
    let second = edit(&bed, 2, vec![set("A", 1), remove("never was")]).await;
    let v2 = second.secrets[0].version;
    assert_eq!(versions(&second), [("A", v2), ("B", v1)]);
    assert_eq!(second.environment.revision, first.environment.revision + 1);
    assert_eq!(second.secrets[0].updated_at, at(2));
    assert_eq!(second.secrets[1].updated_at, at(1));
    let third = edit(&bed, 3, vec![remove("A"), remove("B")]).await;
    assert_eq!(versions(&third), []);
    // The clock stands or goes back, the environment is another, and still it rises.
    let fourth = edit(&bed, 3, vec![set("A", 2)]).await;
    let other = bed.new_environment("other");
    let other = bed
        .store
        .insert_environment(&other, vec![set("A", 3)])
        .await;
    let fifth = edit(&bed, -9_000, vec![remove("A"), set("B", 3)]).await;
    let rising = [
        v1,
        v2,
        fourth.secrets[0].version,
        other.expect("new").secrets[0].version,
        fifth.secrets[0].version,
    ];
    assert!(rising.is_sorted_by(|one, next| one < next), "{rising:?}");
    // After a restored backup the counter may be behind; the time is not.
    execute(
        &bed.place,
        "UPDATE workspaces SET secret_version = 0".into(),
    )
    .await
    .expect("one row");
    let after = edit(&bed, 60_000, vec![set("B", 4)]).await;
    assert!(after.secrets[0].version > rising[4]);
}

async fn the_sealed_values_go_with_a_claim(bed: Bed) {
    let edited = edit(&bed, 1, vec![set("B", 2), set("A", 1)]).await;
    let other = bed.new_environment("other");
    let made = bed
        .store
        .insert_environment(&other, vec![set("A", 9)])
        .await;
    made.expect("new");
    let claimed = bed.held(at(2)).await;
    assert_eq!(claimed.environment, edited.environment);
    let sealed = |name: &str, sealed: u8| SealedSecret {
        name: name.into(),
        version: edited.secrets[0].version,
        sealed: vec![sealed, 0, 255],
    };
    assert_eq!(claimed.secrets, [sealed("A", 1), sealed("B", 2)]);
}

async fn an_edit_that_is_refused_changes_no_secret(bed: Bed) {
    edit(&bed, 1, vec![set("A", 1)]).await;
    let before = bed
        .store
        .environment(bed.workspace, bed.environment.id)
        .await;
    let before = before.expect("works").expect("there");
    let changes = || vec![set("A", 2), remove("A"), set("B", 2)];
    let stale = bed
        .store
        .update_environment(&bed.environment, changes(), Some(1));
    let stale = stale.await;
    assert!(
        matches!(stale, Err(StoreError::RevisionMismatch)),
        "{stale:?}"
    );
    let other = bed.new_environment("other");
    bed.store
        .insert_environment(&other, Vec::new())
        .await
        .expect("new");
    let mut renamed = bed.environment.clone();
    renamed.spec.label = "OTHER".into();
    let taken = bed
        .store
        .update_environment(&renamed, changes(), None)
        .await;
    assert!(matches!(taken, Err(StoreError::LabelTaken)), "{taken:?}");
    let taken = bed.new_environment("Other");
    let taken = bed.store.insert_environment(&taken, changes()).await;
    assert!(matches!(taken, Err(StoreError::LabelTaken)), "{taken:?}");
    let after = bed
        .store
        .environment(bed.workspace, bed.environment.id)
        .await;
    assert_eq!(after.expect("works"), Some(before));
    let stranger = bed.other_workspace().await;
    let mut stolen = bed.environment.clone();
    stolen.workspace_id = stranger.workspace;
    let stolen = bed.store.update_environment(&stolen, changes(), None).await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");
}

async fn deleting_an_environment_deletes_its_secrets(bed: Bed) {
    edit(&bed, 1, vec![set("A", 1)]).await;
    let other = bed.new_environment("other");
    let made = bed
        .store
        .insert_environment(&other, vec![set("A", 1)])
        .await;
    made.expect("new");
    let (workspace, id) = (bed.workspace, bed.environment.id);
    let deleted = bed.store.delete_environment(workspace, id, at(2)).await;
    deleted.expect("unused");
    let left = format!(
        "DELETE FROM environment_secrets WHERE environment_id = '{}'",
        other.id
    );
    let gone = execute(&bed.place, left).await;
    assert_eq!(gone.expect("works"), 1);
    let rest = execute(&bed.place, "DELETE FROM environment_secrets".into()).await;
    assert_eq!(rest.expect("works"), 0);
}

async fn edits_at_once_each_have_a_version_of_their_own(bed: Bed) {
    let mut edits = tokio::task::JoinSet::new();
    for number in 0..8 {
        let bed = bed.clone();
        edits.spawn(async move {
            let environment = bed.new_environment(&format!("e{number}"));
            let secrets = vec![set("A", number)];
            let made = bed.store.insert_environment(&environment, secrets).await;
            made.expect("new").secrets[0].version
        });
    }
    let mut versions = edits.join_all().await;
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 8);
}

on_both!(
    all_of_an_environment_is_read_as_it_was_written,
    no_version_is_given_twice,
    the_sealed_values_go_with_a_claim,
    an_edit_that_is_refused_changes_no_secret,
    deleting_an_environment_deletes_its_secrets,
    edits_at_once_each_have_a_version_of_their_own,
);
