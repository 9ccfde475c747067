//! Schedules: each time gives one task, and what gives none is in the history with why.

use std::time::Duration;

use outwork_test_postgres::shared;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::rig::worker::Worker;
use crate::rig::{Database, Rig, Setting, repository, until};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The rig's clock begins at 14:53:40 UTC on a Friday, which is 15:53:40 in Vienna.
const AT_FOUR: &str = "0 16 * * *";

impl Rig {
    /// A schedule on the environment `app`, with what `more` says besides.
    async fn schedule(&self, timetable: &str, more: Value) -> Value {
        let mut body = json!({"timetable": timetable, "time_zone": "Europe/Vienna", "environment": "app", "prompt": "Tidy up\n\nAll of it."});
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        let made = self.user().post("/api/v1/schedules", &body).await;
        made.expect(201)
    }

    /// What became of its times, the newest first, once there are so many and all but those that wait have ended.
    async fn history(&self, schedule: &Value, many: usize) -> Vec<Value> {
        let path = format!("{}/firings", address(schedule));
        let ask = async || {
            let page = self.get(&path).await;
            page["items"].as_array().expect("a list").clone()
        };
        until(ask, |items| {
            let moves = |firing: &Value| {
                firing["state"] == "working"
                    || (firing["state"] == "waiting" && firing.get("message").is_none())
            };
            items.len() >= many && !items.iter().any(moves)
        })
        .await
    }

    async fn tasks(&self) -> Vec<Value> {
        let page = self.get("/api/v1/tasks?limit=100").await;
        page["items"].as_array().expect("a list").clone()
    }

    async fn app(&self) {
        let path = repository::make(self.directory.path());
        self.environment("app", &path).await;
    }
}

impl Rig {
    /// Changes rows past the store, as a server that dies leaves them.
    async fn execute(&self, sql: &'static str) {
        match &self.setting.database {
            Database::Sqlite => {
                let path = self.directory.path().join("outwork.db");
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let conn = sqlx::SqliteConnection::connect_with(&options).await;
                conn.expect("it is there").execute(sql).await.map(drop)
            }
            Database::Postgres(url) => {
                let conn = sqlx::PgConnection::connect(url).await;
                conn.expect("it is there").execute(sql).await.map(drop)
            }
        }
        .expect("a statement that is right");
    }
}

fn address(schedule: &Value) -> String {
    format!("/api/v1/schedules/{}", text(&schedule["id"]))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn a_time_gives_a_task_of_whoever_made_the_schedule() {
    let rig = Rig::start().await;
    rig.app().await;
    let (id, ada) = rig.member("Ada", "member").await;
    let body = json!({"timetable": " 0  16 * * 1-5", "time_zone": "europe/vienna", "environment": "APP", "prompt": "Tidy up\n\nAll of it.",
        "branch": "other", "attempts": 2, "priority": "low"});
    let made = ada.post("/api/v1/schedules", &body).await;
    let made = made.expect(201);
    let by = json!({"id": id, "name": "Ada"});
    let times = |first: &str| {
        let days = ["20", "23", "24", "25", "26", "27"];
        let days = days.iter().skip_while(|day| **day != first).take(5);
        let times: Vec<String> = days
            .map(|day| format!("2026-11-{day}T15:00:00.000Z"))
            .collect();
        json!(times)
    };
    let expected = json!({"id": made["id"], "timetable": "0 16 * * 1-5", "time_zone": "Europe/Vienna", "environment_id": made["environment_id"],
        "environment_label": "app", "prompt": "Tidy up\n\nAll of it.", "title": "Tidy up", "branch": "other", "attempts": 2,
        "priority": "low", "kind": "code", "missed": "skip", "overlap": "skip", "pull_request": false, "state": "active",
        "next_times": times("20"), "created_by": by, "created_at": "2026-11-20T14:53:40.000Z", "updated_at": "2026-11-20T14:53:40.000Z"});
    assert_eq!(made, expected);
    rig.pass(6 * MINUTE).await;
    assert_eq!(rig.history(&made, 0).await, [] as [Value; 0]);
    rig.pass(MINUTE).await;
    let history = rig.history(&made, 1).await;
    let [firing] = &history[..] else {
        panic!("{history:#?}");
    };
    let expected = json!({"id": firing["id"], "schedule_id": made["id"], "planned_at": "2026-11-20T15:00:00.000Z",
        "made_at": "2026-11-20T15:00:40.000Z", "missed_before": 0, "state": "started", "task_id": firing["task_id"],
        "ended_at": "2026-11-20T15:00:40.000Z"});
    assert_eq!(*firing, expected);
    let task = format!("/api/v1/tasks/{}", text(&firing["task_id"]));
    let task = rig.get(&task).await;
    assert_eq!(task["created_by"], by);
    assert_eq!(task["turns"][0]["prompt"], "Tidy up\n\nAll of it.");
    let attempts = task["turns"][0]["attempts"].as_array().map(Vec::len);
    assert_eq!((attempts, &task["branch"]), (Some(2), &json!("other")));
    let shown = rig.get(&address(&made)).await;
    assert_eq!(shown["last_firing"], *firing);
    assert_eq!(shown["next_times"][0], "2026-11-23T15:00:00.000Z");
    let one = format!("/api/v1/firings/{}", text(&firing["id"]));
    assert_eq!(rig.get(&one).await, *firing);
    assert_eq!(rig.tasks().await.len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_still_runs_is_not_begun_again_unless_wanted() {
    let rig = Rig::start().await;
    rig.app().await;
    let worker = Worker::register(&rig, "one").await;
    let skips = rig.schedule("*/10 * * * *", json!({})).await;
    rig.pass(10 * MINUTE).await;
    rig.history(&skips, 1).await;
    rig.pass(10 * MINUTE).await;
    let history = rig.history(&skips, 2).await;
    assert_eq!(
        (&history[0]["state"], &history[0]["reason"]),
        (&json!("skipped"), &json!("overlap"))
    );
    let task = text(&history[1]["task_id"]);
    let message = format!("{task} of the schedule still ran.");
    assert_eq!(history[0]["message"], message);
    let claim = worker.take().await;
    worker.succeed(&claim, "").await;
    rig.pass(10 * MINUTE).await;
    let history = rig.history(&skips, 3).await;
    assert_eq!(history[0]["state"], "started", "{history:#?}");
    let change = json!({"overlap": "allow"});
    let user = rig.user();
    user.send(Method::PATCH, &address(&skips), &change)
        .await
        .expect(200);
    rig.pass(10 * MINUTE).await;
    let history = rig.history(&skips, 4).await;
    assert_eq!(history[0]["state"], "started", "{history:#?}");
    rig.stop().await;
}

#[tokio::test]
async fn one_that_queues_begins_when_the_one_before_has_ended() {
    let rig = Rig::start().await;
    rig.app().await;
    let worker = Worker::register(&rig, "one").await;
    let queues = rig
        .schedule("*/10 * * * *", json!({"overlap": "queue"}))
        .await;
    let path = format!("{}/firings", address(&queues));
    let states = async || {
        let page = rig.get(&path).await;
        let items = page["items"].as_array().expect("a list").iter();
        let states = items.map(|firing| text(&firing["state"]).to_owned());
        states.collect::<Vec<_>>()
    };
    rig.pass(10 * MINUTE).await;
    until(&states, |states| *states == ["started"]).await;
    rig.pass(10 * MINUTE).await;
    until(&states, |states| *states == ["waiting", "started"]).await;
    rig.pass(10 * MINUTE).await;
    let expected = ["skipped", "waiting", "started"];
    until(&states, |states| *states == expected).await;
    let claim = worker.take().await;
    worker.succeed(&claim, "").await;
    rig.pass(Duration::from_secs(6)).await;
    let expected = ["skipped", "started", "started"];
    until(&states, |states| *states == expected).await;
    assert_eq!(rig.tasks().await.len(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn times_without_a_server_are_skipped_or_made_up_for_once() {
    let rig = Rig::start().await;
    rig.app().await;
    let skips = rig.schedule(AT_FOUR, json!({})).await;
    let makes_up = rig.schedule(AT_FOUR, json!({"missed": "once"})).await;
    let rig = rig.restart(3 * DAY).await;
    let history = rig.history(&skips, 1).await;
    assert_eq!(history.len(), 1, "{history:#?}");
    assert_eq!(
        (&history[0]["reason"], &history[0]["missed_before"]),
        (&json!("missed"), &json!(2))
    );
    assert_eq!(history[0]["planned_at"], "2026-11-22T15:00:00.000Z");
    let history = rig.history(&makes_up, 1).await;
    assert_eq!(history.len(), 1, "{history:#?}");
    assert_eq!(
        (&history[0]["state"], &history[0]["missed_before"]),
        (&json!("started"), &json!(2))
    );
    assert_eq!(rig.tasks().await.len(), 1);
    // A short absence is none.
    let rig = rig.restart(10 * MINUTE).await;
    let history = rig.history(&skips, 2).await;
    assert_eq!(history[0]["state"], "started", "{history:#?}");
    rig.stop().await;
}

#[tokio::test]
async fn without_its_owner_or_its_environment_it_is_paused() {
    let rig = Rig::start().await;
    rig.app().await;
    let second = json!({"label": "second", "repository_url": rig.directory.path().join("repository"),
        "agent": {"name": "command", "command": "cat"}});
    let second = rig.user().post("/api/v1/environments", &second).await;
    let second = second.expect(201);
    let (id, ada) = rig.member("Ada", "member").await;
    let (gone, grace) = rig.member("Grace", "member").await;
    let make = async |who: &crate::rig::http::Client, environment: &str| {
        let body = json!({"timetable": "0 15 * * *", "environment": environment, "prompt": "p"});
        who.post("/api/v1/schedules", &body).await.expect(201)
    };
    let lowered = make(&ada, "app").await;
    let left = make(&grace, "app").await;
    let homeless = make(&rig.user(), "second").await;
    let member = format!("/api/v1/members/{id}");
    let lower = json!({"role": "reviewer"});
    let user = rig.user();
    user.send(Method::PATCH, &member, &lower).await.expect(200);
    let member = format!("/api/v1/members/{gone}");
    user.bare(Method::DELETE, &member).await.expect(204);
    let environment = format!("/api/v1/environments/{}", text(&second["id"]));
    user.bare(Method::DELETE, &environment).await.expect(204);
    rig.pass(10 * MINUTE).await;
    for (schedule, code, why) in [
        (
            &lowered,
            "owner_gone",
            "Ada, who made it, has the role `reviewer` now, which gives no tasks.",
        ),
        (
            &left,
            "owner_gone",
            "Grace, who made it, is no member any more.",
        ),
        (
            &homeless,
            "environment_gone",
            "The environment was deleted.",
        ),
    ] {
        let history = rig.history(schedule, 1).await;
        let failure = &history[0]["failure"];
        assert_eq!(failure["code"], code, "{history:#?}");
        let message = format!("{why} The schedule is paused.");
        assert_eq!(failure["message"], message);
        let shown = rig.get(&address(schedule)).await;
        assert_eq!(
            (&shown["state"], &shown["paused_reason"]),
            (&json!("paused"), &json!(why))
        );
    }
    assert_eq!(rig.tasks().await, [] as [Value; 0]);
    // With another environment it goes on.
    let change = json!({"environment": "app", "paused": false});
    let changed = user.send(Method::PATCH, &address(&homeless), &change).await;
    assert_eq!(changed.expect(200)["state"], "active");
    rig.pass(DAY).await;
    let history = rig.history(&homeless, 2).await;
    assert_eq!(history[0]["state"], "started", "{history:#?}");
    rig.stop().await;
}

#[tokio::test]
async fn trouble_that_passes_costs_time_and_other_trouble_is_told() {
    let rig = Rig::start().await;
    rig.app().await;
    let schedule = rig.schedule(AT_FOUR, json!({})).await;
    let lost = rig.schedule(AT_FOUR, json!({})).await;
    let (here, away) = (
        rig.directory.path().join("repository"),
        rig.directory.path().join("elsewhere"),
    );
    std::fs::rename(&here, &away).expect("ours");
    rig.pass(7 * MINUTE).await;
    let history = rig.history(&schedule, 1).await;
    assert_eq!(history[0]["state"], "waiting", "{history:#?}");
    let trouble = text(&history[0]["message"]).to_owned();
    assert!(trouble.contains("repository"), "{trouble}");
    rig.history(&lost, 1).await;
    let user = rig.user();
    std::fs::rename(&away, &here).expect("ours");
    rig.pass(MINUTE).await;
    let ended = |items: &[Value]| items[0]["state"] == "started";
    let path = format!("{}/firings", address(&schedule));
    let ask = async || rig.get(&path).await["items"].as_array().cloned();
    until(ask, |items| ended(items.as_deref().expect("a list"))).await;
    // An hour of it is enough.
    let body = json!({"timetable": "30 16 * * *", "time_zone": "Europe/Vienna", "environment": "app", "prompt": "p"});
    let late = user.post("/api/v1/schedules", &body).await.expect(201);
    std::fs::rename(&here, &away).expect("ours");
    rig.pass(30 * MINUTE).await;
    rig.history(&late, 1).await;
    rig.pass(62 * MINUTE).await;
    let path = format!("{}/firings", address(&late));
    let ask = async || rig.get(&path).await["items"][0].clone();
    let ended = until(ask, |firing| firing["state"] == "refused").await;
    assert_eq!(ended["failure"]["code"], "gave_up", "{ended:#}");
    let message = text(&ended["failure"]["message"]);
    assert!(message.starts_with("Given up after 1 tries. "), "{message}");
    std::fs::rename(&away, &here).expect("ours");
    // What will not pass is not tried again.
    let body = json!({"label": "codex", "repository_url": here, "agent": {"name": "codex"}});
    user.post("/api/v1/environments", &body).await.expect(201);
    let modelless = rig.schedule(AT_FOUR, json!({"environment": "codex"})).await;
    rig.pass(DAY - 93 * MINUTE).await;
    let history = rig.history(&modelless, 1).await;
    assert_eq!(history[0]["state"], "refused", "{history:#?}");
    let hint = text(&history[0]["failure"]["hint"]);
    assert!(hint.contains("outwork model set"), "{hint}");
    assert_eq!(rig.get(&address(&modelless)).await["state"], "active");
    rig.stop().await;
}

#[tokio::test]
async fn by_hand_it_runs_whatever_the_timetable_says() {
    let rig = Rig::start().await;
    rig.app().await;
    let (_, ada) = rig.member("Ada", "member").await;
    let (_, grace) = rig.member("Grace", "member").await;
    let body = json!({"timetable": "@yearly", "environment": "app", "prompt": "p", "paused": true});
    let schedule = ada.clone().with("idempotency-key", "one");
    let made = schedule.post("/api/v1/schedules", &body).await.expect(201);
    let again = schedule.post("/api/v1/schedules", &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(201)["id"], made["id"]);
    assert_eq!(
        (&made["state"], &made["next_times"][0]),
        (&json!("paused"), &json!("2027-01-01T00:00:00.000Z"))
    );
    let path = format!("{}/firings", address(&made));
    let keyed = rig.user().with("idempotency-key", "run");
    let first = keyed.bare(Method::POST, &path).await.expect(201);
    let same = keyed.bare(Method::POST, &path).await.expect(201);
    assert_eq!(first["id"], same["id"]);
    let second = ada.bare(Method::POST, &path).await.expect(201);
    let history = rig.history(&made, 2).await;
    assert_eq!(history.len(), 2, "{history:#?}");
    assert!(
        history.iter().all(|firing| firing["state"] == "started"),
        "{history:#?}"
    );
    assert_eq!(
        (&first["by"]["name"], &second["by"]["name"]),
        (&json!("user-1"), &json!("Ada"))
    );
    let tasks = rig.tasks().await;
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().all(|task| task["created_by"]["name"] == "Ada"));
    // It acts in Ada's name, so it is Ada's, and an admin's.
    for (method, path) in [
        (Method::POST, path.as_str()),
        (Method::DELETE, &address(&made)),
    ] {
        let refused = grace.bare(method, path).await;
        refused.problem(403, "forbidden");
    }
    let words = json!({"prompt": "something else"});
    let refused = grace.send(Method::PATCH, &address(&made), &words).await;
    refused.problem(403, "forbidden");
    let stranger = rig
        .stranger(outwork_domain::principal::PrincipalKind::User)
        .await;
    stranger
        .get(&address(&made))
        .await
        .problem(404, "not_found");
    let firing = format!("/api/v1/firings/{}", text(&first["id"]));
    stranger.get(&firing).await.problem(404, "not_found");
    ada.bare(Method::DELETE, &address(&made)).await.expect(204);
    rig.user().get(&firing).await.problem(404, "not_found");
    assert_eq!(rig.tasks().await.len(), 2, "the tasks stay");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once() {
    let rig = Rig::start().await;
    rig.app().await;
    let right = json!({"timetable": "@daily", "environment": "app", "prompt": "p"});
    for (name, value, pointer) in [
        ("timetable", json!("61 * * * *"), "/timetable"),
        ("time_zone", json!("Mars/Olympus"), "/time_zone"),
        ("prompt", json!(" "), "/prompt"),
        ("attempts", json!(9), "/attempts"),
        ("branch", json!("a..b"), "/branch"),
    ] {
        let mut body = right.clone();
        body[name] = value;
        let refused = rig.user().post("/api/v1/schedules", &body).await;
        let problem = refused.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    let mut body = right.clone();
    body["environment"] = json!("nowhere");
    let refused = rig.user().post("/api/v1/schedules", &body).await;
    refused.problem(404, "not_found");
    let made = rig.user().post("/api/v1/schedules", &right).await;
    let made = made.expect(201);
    let change = json!({"timetable": "nonsense"});
    let refused = rig
        .user()
        .send(Method::PATCH, &address(&made), &change)
        .await;
    refused.problem(422, "unprocessable");
    rig.stop().await;
}

/// Each server has its clock, and each looks at every time.
#[tokio::test]
async fn of_three_servers_one_submits_it() {
    let url = shared().new_database();
    let database = || Database::Postgres(url.clone());
    let setting = || Setting {
        database: database(),
        ..Setting::default()
    };
    let first = Rig::start_with(setting()).await;
    first.app().await;
    let rigs = [
        first,
        Rig::start_with(setting()).await,
        Rig::start_with(setting()).await,
    ];
    let schedule = rigs[0]
        .schedule("* * * * *", json!({"overlap": "allow"}))
        .await;
    const TIMES: usize = 12;
    for time in 1..=TIMES {
        tokio::join!(
            rigs[0].pass(MINUTE),
            rigs[1].pass(MINUTE),
            rigs[2].pass(MINUTE)
        );
        rigs[0].history(&schedule, time).await;
    }
    let history = rigs[0].history(&schedule, TIMES).await;
    let planned: std::collections::BTreeSet<&str> = history
        .iter()
        .map(|firing| text(&firing["planned_at"]))
        .collect();
    assert_eq!((history.len(), planned.len()), (TIMES, TIMES));
    assert!(
        history.iter().all(|firing| firing["state"] == "started"),
        "{history:#?}"
    );
    assert_eq!(rigs[0].tasks().await.len(), TIMES);
    for rig in rigs {
        rig.stop().await;
    }
}

/// It died after the task was there, and before that was noted.
#[tokio::test]
async fn a_server_that_died_in_between_leaves_one_task() {
    for database in [
        Database::Sqlite,
        Database::Postgres(shared().new_database()),
    ] {
        let setting = Setting {
            database,
            ..Setting::default()
        };
        let rig = Rig::start_with(setting).await;
        rig.app().await;
        let schedule = rig.schedule(AT_FOUR, json!({"missed": "once"})).await;
        rig.pass(7 * MINUTE).await;
        let history = rig.history(&schedule, 1).await;
        let task = history[0]["task_id"].clone();
        let forget = "UPDATE firings SET state = 'working', due_at = made_at + 60000, ended_at = NULL, task_id = NULL";
        rig.execute(forget).await;
        // Whoever comes next comes even after the time is over, and to another prompt.
        let change = json!({"prompt": "Something else"});
        let user = rig.user();
        user.send(Method::PATCH, &address(&schedule), &change)
            .await
            .expect(200);
        let rig = rig.restart(20 * DAY).await;
        let path = format!("{}/firings", address(&schedule));
        let all = async || {
            let page = rig.get(&path).await;
            page["items"].as_array().expect("a list").clone()
        };
        let history = until(all, |items| {
            let old = items.iter().find(|it| it["id"] == history[0]["id"]);
            old.is_some_and(|old| old["ended_at"].is_string())
        })
        .await;
        let old = history.last().expect("one");
        assert_eq!(
            (&old["state"], &old["task_id"]),
            (&json!("started"), &task),
            "{history:#?}"
        );
        rig.stop().await;
    }
}
