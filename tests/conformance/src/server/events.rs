//! The log of an attempt: each event once, in order, durable once it is acknowledged.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Play, Scene, output, succeeded};
use crate::check::{Check, checks};

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Steps":
        moves_with_the_steps "A step is shown, and one that was said before changes nothing",
        knows_four_steps "A step that there is not is answered with 422 `unprocessable`",
    );
    all.extend(checks!("Events":
        keeps_events "Acknowledged events are in the log, in order, as they were sent",
        passes_over_repeats "Events that come again are passed over, and acknowledged",
        refuses_gaps "Events that would leave a gap are answered with 409 `out_of_order`, and none is kept",
        counts_from_one "`first_seq` is 1 or more: 422 `unprocessable`",
        limits_appends "More than 1000 events, or one above 256 KiB, are answered with 413 `too_large`",
        keeps_its_own_kinds "Kinds that the server writes itself, and unknown ones, are answered with 422",
        says_what_it_has_with_each_step "The answer to a step says what is acknowledged, too",
    ));
    all
}

async fn moves_with_the_steps(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    play.state_is(&held, "leased").await?;
    for (said, shown) in [
        ("preparing", "preparing"),
        ("running", "running"),
        ("running", "running"),
        ("preparing", "running"),
        ("setting_up", "running"),
        ("collecting", "collecting"),
    ] {
        let answer = held.step(said).await?.ok()?;
        ensure!(
            answer["desired"] == "run",
            "the answer to a step is {answer}"
        );
        play.state_is(&held, shown).await?;
    }
    Ok(())
}

async fn knows_four_steps(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    for step in ["leased", "succeeded", "dancing", ""] {
        held.step(step).await?.refused(422, "unprocessable")?;
    }
    play.state_is(&held, "leased").await?;
    Ok(())
}

async fn keeps_events(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let sent: Vec<Value> = (1..=4)
        .map(|number| output(&format!("line {number} ü \u{1f600}\n")))
        .collect();
    for (first, part) in [(1, &sent[..1]), (2, &sent[1..])] {
        let answer = held.append(first, part).await?.ok()?;
        let last = first + i64::try_from(part.len())? - 1;
        ensure!(
            answer["acknowledged_seq"] == last,
            "after event {last} the answer is {answer}"
        );
    }
    let events = play.events(&held).await?;
    let kept: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "output")
        .collect();
    ensure!(
        kept.len() == sent.len(),
        "{} of {} events are in the log",
        kept.len(),
        sent.len()
    );
    for (kept, sent) in kept.iter().zip(&sent) {
        for field in ["at", "stream", "text"] {
            ensure!(
                kept[field] == sent[field],
                "`{field}` became {} from {}",
                kept[field],
                sent[field]
            );
        }
    }
    let numbers: Vec<_> = events
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    ensure!(numbers == expected, "the log is numbered {numbers:?}");
    Ok(())
}

async fn passes_over_repeats(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let all = ["1", "2", "3", "4", "5"].map(output);
    for (first, part, acknowledged) in [
        (1, &all[..3], 3),
        (1, &all[..3], 3),
        (2, &all[1..2], 3),
        (2, &all[1..], 5),
        (6, &all[..0], 5),
    ] {
        let answer = held.append(first, part).await?.ok()?;
        ensure!(
            answer["acknowledged_seq"] == acknowledged,
            "{acknowledged} is acknowledged, and the answer is {answer}"
        );
    }
    let outputs = play.outputs(&held).await?;
    ensure!(
        outputs == ["1", "2", "3", "4", "5"],
        "the log has {outputs:?}"
    );
    Ok(())
}

async fn refuses_gaps(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.append(2, &[output("2")])
        .await?
        .refused(409, "out_of_order")?;
    held.append(1, &[output("1")]).await?.ok()?;
    held.append(3, &[output("3")])
        .await?
        .refused(409, "out_of_order")?;
    let outputs = play.outputs(&held).await?;
    ensure!(outputs == ["1"], "the log has {outputs:?}");
    Ok(())
}

async fn counts_from_one(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    for first in [0, -1] {
        held.append(first, &[output("a")])
            .await?
            .refused(422, "unprocessable")?;
    }
    Ok(())
}

async fn limits_appends(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let many = vec![output("a"); 1001];
    held.append(1, &many).await?.refused(413, "too_large")?;
    let large = output(&"x".repeat(256 << 10));
    held.append(1, &[large]).await?.refused(413, "too_large")?;
    let outputs = play.outputs(&held).await?;
    ensure!(outputs.is_empty(), "{} events were kept", outputs.len());
    held.append(1, &many[..1000]).await?.ok()?;
    held.append(1001, &[output(&"x".repeat(255 << 10))])
        .await?
        .ok()?;
    Ok(())
}

async fn keeps_its_own_kinds(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let at = "2026-01-02T03:04:05.678Z";
    for event in [
        json!({"at": at, "type": "state", "state": "succeeded"}),
        json!({"at": at, "type": "cancel_requested"}),
        json!({"at": at, "type": "answered", "text": "a"}),
        json!({"at": at, "type": "steered", "number": 1, "text": "a"}),
        json!({"at": at, "type": "interrupt_requested"}),
        json!({"at": at, "type": "worker_lost", "worker": "a", "tries": 1}),
        json!({"at": at, "type": "of_a_later_version"}),
    ] {
        held.append(1, &[output("before"), event])
            .await?
            .refused(422, "unprocessable")?;
    }
    play.state_is(&held, "leased").await?;
    let outputs = play.outputs(&held).await?;
    ensure!(
        outputs.is_empty(),
        "a part of what was refused is in the log"
    );
    Ok(())
}

async fn says_what_it_has_with_each_step(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.append(1, &[output("1"), output("2")]).await?.ok()?;
    let answer = held.step("running").await?.ok()?;
    ensure!(answer["acknowledged_seq"] == 2, "the answer is {answer}");
    held.finish(succeeded(), 2).await?.ok()?;
    Ok(())
}
