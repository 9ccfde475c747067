//! What workers keep of environments.

use outwork_domain::principal::Worker;
use outwork_domain::{EnvironmentId, Timestamp, WorkerId};
use outwork_store::{
    CacheRecord, CacheReset, CacheUse, CachedSnapshot, Inventory, KeptSnapshot, SnapshotUses,
    StoreError,
};

use crate::bed::{Bed, at};

async fn registered(bed: &Bed, name: &str, seen: Timestamp) -> WorkerId {
    let worker = Worker {
        id: bed.worker(),
        workspace_id: bed.workspace,
        name: name.into(),
        slots: 1,
        agents: Vec::new(),
        isolation: Some("namespaces".into()),
        labels: Default::default(),
        versions: Default::default(),
    };
    let registered = bed.store.register_worker(&worker, seen).await;
    registered.expect("new");
    worker.id
}

fn kept(key: &str, environment: EnvironmentId, generation: i64, built: i64) -> KeptSnapshot {
    KeptSnapshot {
        key: key.into(),
        environment,
        generation,
        reason: "because \"ü\"".into(),
        built_at: at(built),
        last_used_at: at(built + 1),
        size_bytes: 10,
        hits: 3,
        in_use: 2,
    }
}

fn uses(environment: EnvironmentId, hits: u64, builds: u64) -> SnapshotUses {
    SnapshotUses {
        environment,
        hits,
        builds,
    }
}

async fn keep(bed: &Bed, worker: WorkerId, snapshots: &[KeptSnapshot], uses: &[SnapshotUses]) {
    let inventory = Inventory {
        worker,
        snapshots: snapshots.to_vec(),
        uses: uses.to_vec(),
    };
    let kept = bed.store.keep_inventory(bed.workspace, inventory).await;
    kept.expect("registered");
}

async fn shown(bed: &Bed, environment: Option<EnvironmentId>, since: i64) -> CacheRecord {
    let cache = bed.store.cache(bed.workspace, environment, at(since)).await;
    cache.expect("works")
}

async fn keys(bed: &Bed, since: i64) -> Vec<String> {
    let cache = shown(bed, None, since).await;
    let snapshots = cache.snapshots.into_iter();
    snapshots.map(|cached| cached.snapshot.key).collect()
}

async fn reset(bed: &Bed, environment: Option<EnvironmentId>) -> (u64, u64) {
    let reset = bed.store.reset_cache(bed.workspace, environment, at(0));
    let CacheReset {
        snapshots,
        size_bytes,
    } = reset.await.expect("works");
    (snapshots, size_bytes)
}

async fn told(bed: &Bed, worker: WorkerId) -> Vec<String> {
    bed.store.reset_snapshots(worker).await.expect("works")
}

async fn an_inventory_replaces_the_one_before(bed: Bed) {
    let app = bed.environment.id;
    let web = bed.new_environment("web");
    let made = bed.store.insert_environment(&web, Vec::new()).await;
    made.expect("new");
    let (one, two) = (
        registered(&bed, "one", at(5)).await,
        registered(&bed, "two", at(1)).await,
    );
    let old = kept("old", app, 0, 1);
    keep(&bed, one, &[old], &[uses(app, 9, 9)]).await;
    let [a, b, c] = [
        kept("a", app, 0, 3),
        kept("b", web.id, 0, 7),
        kept("a", app, 0, 2),
    ];
    let first = [uses(app, 1, 2), uses(web.id, 4, 5)];
    keep(&bed, one, &[a.clone(), b.clone()], &first).await;
    keep(&bed, two, std::slice::from_ref(&c), &[uses(app, 10, 20)]).await;
    let cached =
        |snapshot: KeptSnapshot, label: &str, worker: WorkerId, name: &str| CachedSnapshot {
            snapshot,
            environment_label: label.into(),
            worker,
            worker_name: name.into(),
        };
    let used = |label: &str, uses: SnapshotUses| CacheUse {
        environment_label: label.into(),
        uses,
    };
    let of_app = vec![cached(a, "main", one, "one"), cached(c, "main", two, "two")];
    let of_web = cached(b, "web", one, "one");
    let all = CacheRecord {
        snapshots: std::iter::once(of_web.clone())
            .chain(of_app.clone())
            .collect(),
        uses: vec![
            used("main", uses(app, 11, 22)),
            used("web", uses(web.id, 4, 5)),
        ],
    };
    assert_eq!(shown(&bed, None, 0).await, all);
    let some = CacheRecord {
        snapshots: of_app,
        uses: vec![used("main", uses(app, 11, 22))],
    };
    assert_eq!(shown(&bed, Some(app), 1).await, some);
    // Of workers that were heard of since then; how often they were found stays.
    let seen = shown(&bed, None, 2).await;
    assert_eq!((seen.snapshots.len(), seen.uses), (2, all.uses));
    assert_eq!(shown(&bed, None, 6).await.snapshots, []);

    let other = bed.other_workspace().await;
    assert_eq!(shown(&other, None, 0).await.snapshots, []);
    assert_eq!(shown(&other, Some(app), 0).await.uses, []);
    let stolen = Inventory {
        worker: one,
        snapshots: Vec::new(),
        uses: Vec::new(),
    };
    let stolen = bed.store.keep_inventory(other.workspace, stolen).await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");
    keep(&bed, one, &[], &[]).await;
    assert_eq!(keys(&bed, 0).await, ["a"]);
    let removed = bed.store.remove_worker(bed.workspace, two, at(0)).await;
    removed.expect("registered");
    let nothing = CacheRecord {
        snapshots: Vec::new(),
        uses: Vec::new(),
    };
    assert_eq!(shown(&bed, None, 0).await, nothing);
}

async fn a_reset_is_of_one_environment_or_of_all(bed: Bed) {
    let app = bed.environment.id;
    let web = bed.new_environment("web");
    let made = bed.store.insert_environment(&web, Vec::new()).await;
    made.expect("new");
    let other = bed.other_workspace().await;
    let worker = registered(&bed, "one", at(5)).await;
    let foreign = registered(&other, "two", at(5)).await;
    let away = registered(&bed, "away", at(-1)).await;
    let mine = [kept("a", app, 0, 1), kept("b", web.id, 0, 1)];
    keep(&bed, worker, &mine, &[]).await;
    keep(&bed, away, &mine, &[]).await;
    keep(
        &other,
        foreign,
        &[kept("c", other.environment.id, 0, 1)],
        &[],
    )
    .await;
    assert_eq!(told(&bed, worker).await, Vec::<String>::new());

    assert_eq!(reset(&bed, Some(app)).await, (1, 10));
    assert_eq!(keys(&bed, 0).await, ["b"]);
    assert_eq!(told(&bed, worker).await, ["a"]);
    assert_eq!(told(&bed, away).await, ["a"]);
    bed.submit(1, at(0)).await;
    let claimed = bed.claim(worker, at(1)).await;
    assert_eq!(claimed.cache_generation, 1);
    // Neither an edit of the environment nor what the worker says again brings it back.
    let edited = bed
        .store
        .update_environment(&bed.environment, Vec::new(), None);
    assert_eq!(edited.await.expect("works").cache_generation, 1);
    let new = [mine[0].clone(), mine[1].clone(), kept("a2", app, 1, 2)];
    keep(&bed, worker, &new, &[]).await;
    assert_eq!(keys(&bed, 0).await, ["a2", "b"]);
    assert_eq!(told(&bed, worker).await, ["a"]);

    assert_eq!(reset(&bed, None).await, (2, 20));
    assert_eq!(keys(&bed, 0).await, Vec::<String>::new());
    assert_eq!(told(&bed, worker).await, ["a", "a2", "b"]);
    assert_eq!(keys(&other, 0).await, ["c"]);
    assert_eq!(told(&other, foreign).await, Vec::<String>::new());
    let stolen = bed
        .store
        .reset_cache(other.workspace, Some(app), at(0))
        .await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");
}

async fn what_no_environment_claims_is_to_go(bed: Bed) {
    let other = bed.other_workspace().await;
    let worker = registered(&bed, "one", at(5)).await;
    let gone = bed.new_environment("gone");
    let made = bed.store.insert_environment(&gone, Vec::new()).await;
    made.expect("new");
    let unknown = EnvironmentId::from_uuid(bed.uuid());
    let all = [
        kept("a", gone.id, 0, 1),
        kept("b", unknown, 0, 1),
        kept("c", other.environment.id, 0, 1),
        kept("d", bed.environment.id, 0, 1),
        kept("e", bed.environment.id, 7, 1),
    ];
    keep(&bed, worker, &all, &[uses(unknown, 1, 1)]).await;
    assert_eq!(keys(&bed, 0).await, ["a", "d"]);
    assert_eq!(told(&bed, worker).await, ["b", "c", "e"]);
    assert_eq!(keys(&other, 0).await, Vec::<String>::new());
    let deleted = bed.store.delete_environment(bed.workspace, gone.id, at(9));
    deleted.await.expect("unused");
    assert_eq!(keys(&bed, 0).await, ["d"]);
    assert_eq!(told(&bed, worker).await, ["a", "b", "c", "e"]);
    assert_eq!(shown(&bed, None, 0).await.uses, []);
    let refused = bed.store.reset_cache(bed.workspace, Some(gone.id), at(0));
    let refused = refused.await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}

async fn inventories_and_resets_at_once_do_not_wait_for_each_other(bed: Bed) {
    let app = bed.environment.id;
    let (one, two) = (
        registered(&bed, "one", at(5)).await,
        registered(&bed, "two", at(5)).await,
    );
    let mut all = tokio::task::JoinSet::new();
    for number in 0..24 {
        let bed = bed.clone();
        all.spawn(async move {
            match number % 3 {
                0 => drop(reset(&bed, None).await),
                1 => drop(reset(&bed, Some(app)).await),
                _ => {
                    let worker = if number % 2 == 0 { one } else { two };
                    keep(&bed, worker, &[kept("a", app, 0, 1)], &[uses(app, 1, 1)]).await;
                }
            }
        });
    }
    all.join_all().await;
    let environment = bed.store.environment(bed.workspace, app).await;
    let environment = environment.expect("works").expect("there");
    assert_eq!(environment.cache_generation, 16);
    assert_eq!(told(&bed, one).await, ["a"]);
}

on_both!(
    an_inventory_replaces_the_one_before,
    a_reset_is_of_one_environment_or_of_all,
    what_no_environment_claims_is_to_go,
    inventories_and_resets_at_once_do_not_wait_for_each_other,
);
