//! The database repeats the rules: what must not be is refused even past the store.

use outwork_domain::attempt::Outcome;
use outwork_domain::task::FurtherBase;
use outwork_store::FurtherDiff;

use crate::bed::{Bed, Place, at, events, result};
use crate::past_the_store::execute;

async fn a_state_without_its_columns_is_refused(bed: Bed) {
    bed.submit(1, at(0)).await;
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .append(bed.workspace, held.id, held.epoch, 1, events(1, 2), at(0))
        .await
        .expect("held");
    for set in [
        "state = 'held'",
        "state = 'succeeded'",
        "state = 'unheard of'",
        "epoch = -1",
        "epoch = 9",
        "lease_epoch = lease_epoch + 1",
        "lease_worker_id = 'wkr_x'",
        "lease_until = NULL",
        "step = NULL",
        "step = 'dancing'",
        "deadline_at = NULL",
        "due_at = NULL",
        "visible_at = NULL",
        "ended_at = 1",
        "question = 'why?'",
        "failure_code = 'lost'",
        "failure_hint = 'look'",
        "desired = 'cancel'",
        "cancel_since = 1",
        "tries = -1",
        "last_seq = -1",
    ] {
        // Of the two rows, one is queued and one is held: each change is wrong for one of them.
        let refused = execute(&bed.place, format!("UPDATE attempts SET {set}")).await;
        let error = refused.expect_err(set);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_check_violation(), "{set}: {error}");
    }
}

async fn numbers_are_given_once(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .append(bed.workspace, held.id, held.epoch, 1, events(1, 2), at(0))
        .await
        .expect("held");
    for statement in [
        "UPDATE events SET seq = 1",
        "UPDATE events SET worker_seq = 1 WHERE worker_seq IS NOT NULL",
        "INSERT INTO turns (id, task_id, number, created_by, prompt, continues, created_at) \
         SELECT 'turn_x', task_id, number, created_by, prompt, continues, created_at FROM turns",
    ] {
        let error = execute(&bed.place, statement.into())
            .await
            .expect_err(statement);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_unique_violation(), "{statement}: {error}");
    }
    for statement in [
        "DELETE FROM tasks",
        "DELETE FROM attempts",
        "DELETE FROM workspaces",
    ] {
        let error = execute(&bed.place, statement.into())
            .await
            .expect_err(statement);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_foreign_key_violation(), "{statement}: {error}");
    }
}

async fn what_must_not_be_kept_is_refused(bed: Bed) {
    let mut submission = bed.submission(1, at(0));
    submission.task.base.further = vec![FurtherBase {
        name: "docs".into(),
        url: "/srv/docs".into(),
        branch: None,
        commit: "abc".into(),
    }];
    bed.store.submit(submission, None).await.expect("taken");
    let held = bed.claim(bed.worker(), at(0)).await.attempt;
    let mut result = result(&held);
    result.further_diffs = vec![FurtherDiff {
        repository: "docs".into(),
        diff: result.diff.clone().expect("it has one"),
    }];
    let outcome = Outcome::Succeeded;
    bed.store
        .finish(
            bed.workspace,
            held.id,
            held.epoch,
            outcome,
            result,
            0,
            at(1),
        )
        .await
        .expect("held");
    let environment = format!("'{}'", bed.environment.id);
    let (workspace, task, attempt) = (bed.workspace, held.task_id, held.id);
    for refused in [
        "UPDATE environments SET setup_timeout_ms = 0".to_owned(),
        "UPDATE environments SET verify_timeout_ms = 0".to_owned(),
        "UPDATE environments SET cache_generation = -1".to_owned(),
        "UPDATE workspaces SET secret_version = -1".to_owned(),
        format!("INSERT INTO environment_secrets VALUES ({environment}, '', 1, $, 1)"),
        format!("INSERT INTO environment_secrets VALUES ({environment}, 'A', 0, $, 1)"),
        format!("INSERT INTO environment_secrets VALUES ({environment}, 'A', 1, '', 1)"),
        format!("INSERT INTO credentials VALUES ('c', '{workspace}', '', 'token', NULL, $, 1)"),
        format!("INSERT INTO credentials VALUES ('c', '{workspace}', 'h', 'pin', NULL, $, 1)"),
        format!("INSERT INTO credentials VALUES ('c', '{workspace}', 'h', 'ssh_key', 'u', $, 1)"),
        format!("INSERT INTO task_repositories VALUES ('{task}', 0, 'a', 'u', NULL, 'c')"),
        "UPDATE result_diffs SET number = 0".to_owned(),
        "UPDATE result_diffs SET lines_added = -1".to_owned(),
        "UPDATE result_diffs SET diff_size_bytes = -1".to_owned(),
    ] {
        let blob = match &bed.place {
            Place::Sqlite(_) => "x'01'",
            Place::Postgres(_) => "'\\x01'::bytea",
        };
        // SQLite takes a text for no blob.
        let empty = refused.contains("1, '', 1)") && matches!(bed.place, Place::Sqlite(_));
        let sql = refused.replace('$', blob);
        let sql = if empty { sql.replace("''", "x''") } else { sql };
        let error = execute(&bed.place, sql).await.expect_err(&refused);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_check_violation(), "{refused}: {error}");
    }
    for twice in [
        format!("INSERT INTO task_repositories VALUES ('{task}', 2, 'docs', 'u', NULL, 'c')"),
        format!("INSERT INTO task_repositories VALUES ('{task}', 1, 'web', 'u', NULL, 'c')"),
        format!("INSERT INTO result_diffs VALUES ('{attempt}', 2, 'docs', 'k', 1, 1, 1, 1)"),
    ] {
        let error = execute(&bed.place, twice.clone()).await.expect_err(&twice);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_unique_violation(), "{twice}: {error}");
    }
}

on_both!(
    what_must_not_be_kept_is_refused,
    a_state_without_its_columns_is_refused,
    numbers_are_given_once
);
