//! Environments and the model.

use outwork_domain::EnvironmentId;
use outwork_domain::attempt::Outcome;
use outwork_domain::environment::{AgentSpec, Environment};
use outwork_store::{EnvironmentRecord, ModelRecord, StoreError};

use crate::bed::{Bed, at, result};

/// The environment as it is stored without secrets, its cache never reset.
pub(crate) fn stored(environment: &Environment) -> EnvironmentRecord {
    EnvironmentRecord {
        environment: environment.clone(),
        secrets: Vec::new(),
        injections: Vec::new(),
        cache_generation: 0,
    }
}

async fn what_is_written_is_read(bed: Bed) {
    let mut environment = bed.new_environment("Zweite Umgebung ÄÖ");
    environment.spec.agent = AgentSpec::Codex;
    environment.spec.branch = Some("dev".into());
    environment.spec.setup_script = None;
    environment.spec.variables.clear();
    bed.store
        .insert_environment(&environment, Vec::new())
        .await
        .expect("new");
    for written in [&bed.environment, &environment] {
        let read = bed.store.environment(bed.workspace, written.id).await;
        assert_eq!(read.expect("works"), Some(stored(written)));
    }
    let missing = EnvironmentId::from_uuid(bed.uuid());
    let read = bed.store.environment(bed.workspace, missing).await;
    assert_eq!(read.expect("works"), None);
}

async fn labels_are_compared_without_case(bed: Bed) {
    let first = bed.new_environment("Größe");
    bed.store
        .insert_environment(&first, Vec::new())
        .await
        .expect("new");
    let same = bed.new_environment("GRÖßE");
    let refused = bed.store.insert_environment(&same, Vec::new()).await;
    assert!(
        matches!(refused, Err(StoreError::LabelTaken)),
        "{refused:?}"
    );
    for label in ["größe", "GRÖßE", "Größe"] {
        let found = bed.store.environment_by_label(bed.workspace, label).await;
        assert_eq!(found.expect("works"), Some(stored(&first)), "{label}");
    }
    let found = bed.store.environment_by_label(bed.workspace, "grö").await;
    assert_eq!(found.expect("works"), None);
    let renamed = with_label(&bed.environment, "gRöße");
    let refused = bed
        .store
        .update_environment(&renamed, Vec::new(), None)
        .await;
    assert!(
        matches!(refused, Err(StoreError::LabelTaken)),
        "{refused:?}"
    );
    let recased = with_label(&first, "GRÖSSE".to_lowercase().replace("ss", "ß").as_str());
    bed.store
        .update_environment(&recased, Vec::new(), None)
        .await
        .expect("its own label");
}

fn with_label(environment: &Environment, label: &str) -> Environment {
    let mut environment = environment.clone();
    environment.spec.label = label.into();
    environment
}

async fn an_edit_raises_the_revision(bed: Bed) {
    let mut wanted = with_label(&bed.environment, "renamed");
    wanted.updated_at = at(9);
    wanted.created_at = at(8);
    let edited = bed
        .store
        .update_environment(&wanted, Vec::new(), Some(1))
        .await
        .expect("works");
    let expected = Environment {
        revision: 2,
        created_at: bed.environment.created_at,
        ..wanted.clone()
    };
    let expected = stored(&expected);
    assert_eq!(edited, expected);
    let read = bed.store.environment(bed.workspace, wanted.id).await;
    assert_eq!(read.expect("works"), Some(expected));
    let stale = bed
        .store
        .update_environment(&wanted, Vec::new(), Some(1))
        .await;
    assert!(
        matches!(stale, Err(StoreError::RevisionMismatch)),
        "{stale:?}"
    );
    let any = bed
        .store
        .update_environment(&wanted, Vec::new(), None)
        .await
        .expect("works");
    assert_eq!(any.environment.revision, 3);
    let missing = bed.new_environment("missing");
    let refused = bed
        .store
        .update_environment(&missing, Vec::new(), None)
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}

async fn edits_at_once_do_not_overwrite_each_other(bed: Bed) {
    let mut edits = tokio::task::JoinSet::new();
    for number in 0..8 {
        let bed = bed.clone();
        edits.spawn(async move {
            let wanted = with_label(&bed.environment, &format!("edit {number}"));
            bed.store
                .update_environment(&wanted, Vec::new(), Some(1))
                .await
                .is_ok()
        });
    }
    let won = edits
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
}

async fn a_deleted_environment_is_gone_and_its_label_free(bed: Bed) {
    let gone = bed.environment.id;
    let task = bed.submit(1, at(0)).await.task;
    let refused = bed
        .store
        .delete_environment(bed.workspace, gone, at(1))
        .await;
    match refused {
        Err(StoreError::InUse { task: by }) => assert_eq!(by, task.id),
        other => panic!("{other:?}"),
    }
    bed.store
        .cancel_task(bed.workspace, task.id, at(2))
        .await
        .expect("queued");
    bed.store
        .delete_environment(bed.workspace, gone, at(3))
        .await
        .expect("unused");
    let again = bed
        .store
        .delete_environment(bed.workspace, gone, at(3))
        .await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    let read = bed.store.environment(bed.workspace, gone).await;
    assert_eq!(read.expect("works"), None);
    let found = bed.store.environment_by_label(bed.workspace, "main").await;
    assert_eq!(found.expect("works"), None);
    let refused = bed
        .store
        .update_environment(&bed.environment, Vec::new(), None)
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let refused = bed.store.submit(bed.submission(1, at(4)), None).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownEnvironment)),
        "{refused:?}"
    );
    let turn = bed.turn(task.id, 2, at(4));
    let refused = bed
        .store
        .add_turn(bed.workspace, turn, Vec::new(), None)
        .await;
    assert!(
        matches!(refused, Err(StoreError::UnknownEnvironment)),
        "{refused:?}"
    );
    assert_eq!(bed.record(task.id).await.environment_label, "main");
    bed.store
        .insert_environment(&bed.new_environment("Main"), Vec::new())
        .await
        .expect("free again");
}

async fn a_task_that_ended_does_not_hold_its_environment(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .finish(
            bed.workspace,
            held.id,
            held.epoch,
            Outcome::Succeeded,
            result(&held),
            0,
            at(1),
        )
        .await
        .expect("held");
    bed.store
        .delete_environment(bed.workspace, bed.environment.id, at(2))
        .await
        .expect("unused");
}

async fn a_list_is_sorted_and_paged(bed: Bed) {
    for label in ["b", "C", "a", "ä", "Z"] {
        bed.store
            .insert_environment(&bed.new_environment(label), Vec::new())
            .await
            .expect("new");
    }
    let mut labels = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = bed
            .store
            .environments(bed.workspace, 2, cursor.as_deref())
            .await;
        let page = page.expect("works");
        assert!(page.items.len() <= 2);
        labels.extend(
            page.items
                .into_iter()
                .map(|record| record.environment.spec.label),
        );
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(labels, ["a", "b", "C", "main", "Z", "ä"]);
    for cursor in ["", "x", &EnvironmentId::from_uuid(bed.uuid()).to_string()] {
        let refused = bed.store.environments(bed.workspace, 2, Some(cursor)).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{refused:?}");
    }
}

async fn the_model_is_replaced_and_forgotten(bed: Bed) {
    let none = bed.store.model(bed.workspace).await.expect("works");
    assert_eq!(none, None);
    for sealed_key in [Some(vec![0, 255, 7]), None] {
        let model = ModelRecord {
            base_url: "http://127.0.0.1:1/v1".into(),
            name: "small".into(),
            sealed_key,
            context_window: 128_000,
            prices: None,
            updated_at: at(3),
        };
        bed.store
            .set_model(bed.workspace, model.clone())
            .await
            .expect("works");
        let read = bed.store.model(bed.workspace).await.expect("works");
        assert_eq!(read, Some(model));
    }
    for _again in 0..2 {
        let forgotten = bed.store.delete_model(bed.workspace).await;
        forgotten.expect("also when there is none");
        let none = bed.store.model(bed.workspace).await.expect("works");
        assert_eq!(none, None);
    }
}

on_both!(
    what_is_written_is_read,
    labels_are_compared_without_case,
    an_edit_raises_the_revision,
    edits_at_once_do_not_overwrite_each_other,
    a_deleted_environment_is_gone_and_its_label_free,
    a_task_that_ended_does_not_hold_its_environment,
    a_list_is_sorted_and_paged,
    the_model_is_replaced_and_forgotten,
);
