//! Settings are kept in memory, and nothing of them is used after a change of them was acknowledged: neither by the store that made the
//! change nor by another one on the same PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use outwork_domain::TokenId;
use outwork_domain::environment::InjectionTarget;
use outwork_domain::principal::{PrincipalKind, Worker, WorkerDesired, WorkerVersions};
use outwork_domain::{PrincipalId, WorkerId};
use outwork_store::{
    Claimed, Expulsion, InjectionChange, ModelRecord, NewToken, Order, SealedChanges, SecretChange,
    Store, StoreError,
};
use sqlx::{Connection, SqliteConnection};
use tokio::task::JoinSet;

use crate::bed::{Bed, Engine, Place, at, run};

impl Bed {
    /// Another server's store on the same PostgreSQL; SQLite has one, which is the same.
    async fn other_server(&self) -> Store {
        match &self.place {
            Place::Sqlite(_) => self.store.clone(),
            Place::Postgres(_) => self.place.open().await,
        }
    }

    async fn with_labels(&self, labels: &[(&str, &str)]) -> WorkerId {
        let worker = self.worker();
        self.label(worker, labels).await;
        worker
    }

    async fn label(&self, id: WorkerId, labels: &[(&str, &str)]) {
        let named = labels.iter();
        let worker = Worker {
            id,
            workspace_id: self.workspace,
            name: "w".into(),
            slots: 4,
            agents: vec!["command".into(), "codex".into()],
            isolation: Some("user".into()),
            labels: named.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            versions: WorkerVersions {
                protocol: 1,
                program: None,
                agents: Default::default(),
            },
        };
        let registered = self.store.register_worker(&worker, at(0)).await;
        registered.expect("it is of this workspace");
    }

    /// What a claim is given, through this store and through the other server's.
    /// Each at a later time: what the other one queued is looked for now and then.
    async fn claimed_by_both(&self, other: &Store, worker: WorkerId, second: u8) -> [Claimed; 2] {
        let now = at(i64::from(second) * 1_000);
        self.submit(2, now).await;
        let elsewhere = Self {
            store: other.clone(),
            ..self.clone()
        };
        [
            self.claim(worker, now).await,
            elsewhere.claim(worker, now).await,
        ]
    }
}

fn model(name: &str) -> ModelRecord {
    ModelRecord {
        base_url: "http://model".into(),
        name: name.into(),
        sealed_key: Some(vec![1, 2]),
        context_window: 1,
        prices: None,
        updated_at: at(0),
    }
}

fn sealed(value: u8) -> SealedChanges {
    let target = InjectionTarget::parse("api.example", "x-key").expect("a target");
    SealedChanges {
        secrets: vec![SecretChange::Set {
            name: "A".into(),
            sealed: vec![value],
        }],
        injections: vec![InjectionChange::Set {
            target,
            sealed: vec![value],
        }],
    }
}

async fn a_claim_is_given_what_holds_now(bed: Bed) {
    let other = bed.other_server().await;
    let worker = bed.with_labels(&[]).await;
    let mut environment = bed.environment.clone();
    for value in 1..=3 {
        // In turns, so that each learns of what the other wrote.
        let writes = if value == 2 { &other } else { &bed.store };
        environment.spec.setup_script = Some(format!("setup {value}"));
        let edited = writes
            .update_environment(&environment, sealed(value), None)
            .await;
        edited.expect("works");
        let name = format!("model {value}");
        let set = writes.set_model(bed.workspace, model(&name)).await;
        set.expect("works");
        for store in [&bed.store, &other] {
            let of_workspace = store.model(bed.workspace).await.expect("works");
            assert_eq!(of_workspace.expect("set").name, name);
            let by_label = store.environment_by_label(bed.workspace, "MAIN").await;
            let by_label = by_label.expect("works").expect("it is there");
            assert_eq!(by_label.environment.spec, environment.spec);
        }
        for claimed in bed.claimed_by_both(&other, worker, value).await {
            assert_eq!(claimed.environment.spec, environment.spec);
            assert_eq!(claimed.secrets[0].sealed, [value]);
            assert_eq!(claimed.injections[0].sealed, [value]);
            assert_eq!(claimed.model.expect("set").name, name);
        }
    }
    other.delete_model(bed.workspace).await.expect("works");
    for claimed in bed.claimed_by_both(&other, worker, 4).await {
        assert_eq!(claimed.model, None);
    }
    other.close().await;
}

async fn what_is_not_committed_is_not_kept(bed: Bed) {
    let worker = bed.with_labels(&[]).await;
    bed.store
        .set_model(bed.workspace, model("before"))
        .await
        .expect("works");
    // Together in a group, in any order: what each claim is given is what was set before it.
    for round in 0..20 {
        bed.submit(4, at(0)).await;
        let name = format!("model {round}");
        let set = bed.store.set_model(bed.workspace, model(&name));
        let claim = || bed.claim(worker, at(1));
        let (first, second, third, set) = tokio::join!(claim(), claim(), claim(), set);
        set.expect("works");
        let last = bed.claim(worker, at(1)).await;
        assert_eq!(last.model.expect("set").name, name);
        let before = match round {
            0 => "before".to_owned(),
            _ => format!("model {}", round - 1),
        };
        for claimed in [first, second, third] {
            let given = claimed.model.expect("set").name;
            assert!(given == before || given == name, "{given} in {round}");
        }
    }
}

async fn a_token_ends_at_once(bed: Bed) {
    let other = bed.other_server().await;
    let hash = [7; 32];
    let token = NewToken {
        token_id: TokenId::from_uuid(bed.uuid()),
        principal_id: PrincipalId::from_uuid(bed.uuid()),
        workspace_id: bed.workspace,
        kind: PrincipalKind::User,
        name: "somebody".into(),
        hash,
        expires_at: Some(at(10)),
    };
    for store in [&bed.store, &other] {
        assert_eq!(store.authenticate(hash, at(0)).await.expect("works"), None);
    }
    other.add_token(token, at(0)).await.expect("works");
    for store in [&bed.store, &other] {
        let valid = store.authenticate(hash, at(9)).await.expect("works");
        assert_eq!(valid.expect("valid").principal.name, "somebody");
        assert_eq!(store.authenticate(hash, at(10)).await.expect("works"), None);
    }
    // Past the store, as an operator would: the schema itself says that it is over.
    if let Place::Postgres(_) = bed.place {
        let delete = "DELETE FROM tokens WHERE expires_at IS NOT NULL".to_owned();
        let deleted = crate::past_the_store::execute(&bed.place, delete).await;
        assert_eq!(deleted.expect("works"), 1);
        for store in [&bed.store, &other] {
            assert_eq!(store.authenticate(hash, at(9)).await.expect("works"), None);
        }
    }
    other.close().await;
}

async fn a_worker_is_as_it_registered_and_was_ordered_last(bed: Bed) {
    let other = bed.other_server().await;
    let worker = bed.with_labels(&[("disk", "ssd")]).await;
    let registered = |store: &Store| {
        let store = store.clone();
        async move {
            let registered = store.registered_worker(bed.workspace, worker);
            registered.await.expect("works")
        }
    };
    for store in [&bed.store, &other] {
        assert_eq!(registered(store).await.expect("registered").labels.len(), 1);
    }
    bed.label(worker, &[]).await;
    for store in [&bed.store, &other] {
        assert_eq!(registered(store).await.expect("registered").labels.len(), 0);
    }
    bed.submit(1, at(0)).await;
    let drain = |desired| Order::Desired {
        desired,
        deadline_at: None,
    };
    let ordered = other.order_worker(bed.workspace, worker, drain(WorkerDesired::Drain));
    ordered.await.expect("registered");
    assert_eq!(bed.claim_many(worker, 1, at(1)).await, []);
    let ordered = other.order_worker(bed.workspace, worker, drain(WorkerDesired::Run));
    ordered.await.expect("registered");
    assert_eq!(bed.claim_many(worker, 1, at(1)).await.len(), 1);
    let gone = other.expel_worker(bed.workspace, worker, Expulsion::Gone, at(2));
    gone.await.expect("registered");
    for store in [&bed.store, &other] {
        assert_eq!(registered(store).await, None);
    }
    other.close().await;
}

/// Those who ask share a look at the version; none takes part in one that had begun before it asked, and who gives up spoils it for nobody.
async fn many_who_ask_get_what_holds_now(bed: Bed) {
    const ASK: usize = 8;
    let other = bed.other_server().await;
    for round in 0..20 {
        let is_set = Arc::new(AtomicBool::new(false));
        let mut asking = JoinSet::new();
        for who in 0..ASK {
            let (store, workspace) = (bed.store.clone(), bed.workspace);
            let is_set = Arc::clone(&is_set);
            asking.spawn(async move {
                // Few: each costs a connection to PostgreSQL.
                let mut hang_ups = if who == 0 { 3 } else { 0 };
                loop {
                    let has_to_be_new = is_set.load(Ordering::Acquire);
                    let answer = store.model(workspace);
                    if hang_ups > 0 && !has_to_be_new {
                        hang_ups -= 1;
                        drop(answer.now_or_never());
                        tokio::task::yield_now().await;
                        continue;
                    }
                    let name = answer.await.expect("works").map(|model| model.name);
                    if has_to_be_new {
                        return assert_eq!(name, Some(format!("model {round}")));
                    }
                }
            });
        }
        tokio::task::yield_now().await;
        let set = other.set_model(bed.workspace, model(&format!("model {round}")));
        set.await.expect("works");
        is_set.store(true, Ordering::Release);
        while let Some(ended) = asking.join_next().await {
            ended.expect("it is the new one");
        }
    }
    other.close().await;
}

/// A submission to an environment that was deleted a moment ago.
async fn an_environment_that_was_deleted_takes_nothing(bed: Bed) {
    let other = bed.other_server().await;
    let submission = bed.submission(1, at(0));
    let by_label = bed.store.environment_by_label(bed.workspace, "main").await;
    assert!(by_label.expect("works").is_some());
    let id = bed.environment.id;
    let deleted = other.delete_environment(bed.workspace, id, at(1)).await;
    deleted.expect("nothing runs in it");
    let refused = bed.store.submit(submission, None).await;
    assert!(matches!(refused, Err(StoreError::UnknownEnvironment)));
    let by_label = bed.store.environment_by_label(bed.workspace, "main").await;
    assert_eq!(by_label.expect("works"), None);
    let by_id = bed.store.environment(bed.workspace, id).await;
    assert_eq!(by_id.expect("works"), None);
    other.close().await;
}

/// Every write of one of these tables, also one past the store, raises the version.
#[test]
fn no_change_is_missed() {
    const TABLES: [&str; 11] = [
        "workspaces",
        "principals",
        "tokens",
        "worker_tokens",
        "environments",
        "environment_secrets",
        "environment_injections",
        "models",
        "credentials",
        "workers",
        "worker_orders",
    ];
    run(Engine::Sqlite, |bed| async move {
        let Place::Sqlite(path) = &bed.place else {
            panic!("it is SQLite");
        };
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let opened = SqliteConnection::connect_with(&options).await;
        let mut conn = opened.expect("it opens");
        for table in TABLES {
            let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = $1 \
                 AND sql LIKE '%UPDATE settings SET version = version + 1;%'";
            let found: i64 = sqlx::query_scalar(sql)
                .bind(table)
                .fetch_one(&mut conn)
                .await
                .expect("works");
            assert_eq!(found, 3, "added, changed, removed: {table}");
        }
        conn.close().await.expect("it closes");
    });
}

on_both!(
    a_claim_is_given_what_holds_now,
    what_is_not_committed_is_not_kept,
    a_token_ends_at_once,
    many_who_ask_get_what_holds_now,
    a_worker_is_as_it_registered_and_was_ordered_last,
    an_environment_that_was_deleted_takes_nothing,
);
