//! What each verb does, as the document says.

use std::time::Instant;

use hyper::Response;
use serde_json::{Value, json};

use super::verbs::Call;
use super::work::NewClaim;
use super::{Attempt, Claim, Phase, Shared, State, Way};
use crate::http::{Body, json as respond_json, problem, respond};

type Answer = Result<Value, Refusal>;

/// Status, code, and the field that is wrong.
type Refusal = (u16, &'static str, Option<&'static str>);

const STALE: Refusal = (409, "stale_lease", None);
const ENDED: Refusal = (409, "attempt_ended", None);
const MISSING: Refusal = (409, "out_of_order", None);
const UNKNOWN: Refusal = (404, "not_found", None);

fn none() -> Answer {
    Ok(Value::Null)
}

fn refuse((status, code, pointer): Refusal) -> Response<Body> {
    problem(status, code, pointer)
}

impl State {
    pub(super) fn answer(&mut self, shared: &Shared, call: &Call) -> Response<Body> {
        if call.verb == "download" {
            return self.download(call).unwrap_or_else(refuse);
        }
        let answer = match call.verb {
            "register" => self.register(shared, call),
            "heartbeat" => self.heartbeat(call),
            "deregister" => {
                self.workers
                    .retain(|worker| call.json["worker"] != worker.as_str());
                none()
            }
            "snapshots" => none(),
            "advance" => self.advance(call),
            "append" => self.append(call),
            "upload" => self.upload(call),
            "checkpoint" => self.checkpoint(call),
            "finish" => self.finish(call),
            "release" => self.release(call),
            _ => Err(UNKNOWN),
        };
        match answer {
            Ok(Value::Null) => respond(204, "", ""),
            Ok(answer) => respond_json(200, &self.dressed(answer)),
            Err(refusal) => refuse(refusal),
        }
    }

    /// With what a later version might add.
    pub(super) fn dressed(&self, mut answer: Value) -> Value {
        if self.from_the_future {
            answer["of_a_later_version"] = json!({"a": [1, 2]});
            for assignment in answer["assignments"].as_array_mut().into_iter().flatten() {
                assignment["of_a_later_version"] = json!([{"b": null}]);
                assignment["repositories"][0]["of_a_later_version"] = json!("c");
            }
            for lease in answer["leases"].as_array_mut().into_iter().flatten() {
                lease["of_a_later_version"] = json!(true);
            }
        }
        answer
    }

    fn register(&mut self, shared: &Shared, call: &Call) -> Answer {
        let version = call.json["protocol_version"].as_u64().unwrap_or(0);
        if !(3..=self.newest_version).contains(&version) {
            return Err((422, "unprocessable", Some("/protocol_version")));
        }
        let worker = match call.json["worker"].as_str() {
            Some(known) => known.to_owned(),
            None => format!("wkr_{:032x}", 0xa0 + self.workers.len()),
        };
        if !self.workers.contains(&worker) {
            self.workers.push(worker.clone());
        }
        let interval = u64::try_from(shared.lease.as_millis() / 6).unwrap_or(u64::MAX);
        Ok(
            json!({"worker": worker, "heartbeat_interval_ms": interval, "protocol_version": version}),
        )
    }

    /// Gives out what waits.
    pub(super) fn claim(&mut self, shared: &Shared, call: &Call) -> Vec<Value> {
        let max = call.json["max"].as_u64().unwrap_or(1) + u64::from(self.generous);
        let mut assignments = Vec::new();
        let is_wanted = matches!(self.orders["desired"].as_str(), None | Some("run"));
        if !is_wanted {
            return assignments;
        }
        if self.generous && (self.queue.len() as u64) < max {
            // All at once, or none.
            return assignments;
        }
        while (assignments.len() as u64) < max {
            let Some(id) = self.queue.pop_front() else {
                break;
            };
            let attempt = self.attempts.get_mut(&id).expect("what waits was given");
            attempt.phase = Phase::Held;
            attempt.epoch += 1;
            attempt.renewed_at = Instant::now();
            attempt.worker = call.json["worker"].as_str().unwrap_or_default().to_owned();
            attempt.claims.insert(attempt.epoch, Claim::default());
            assignments.push(attempt.work.assignment(&NewClaim {
                attempt: &id,
                epoch: attempt.epoch,
                lease: shared.lease,
                url: format!("http://{}/git/demo.git", call.host),
                commit: &shared.repository.commit,
                messages: &attempt.messages,
            }));
        }
        assignments
    }

    fn heartbeat(&mut self, call: &Call) -> Answer {
        if !self
            .workers
            .iter()
            .any(|worker| call.json["worker"] == worker.as_str())
        {
            return Err(UNKNOWN);
        }
        let claims = call.json["leases"].as_array().cloned().unwrap_or_default();
        let leases = claims.into_iter().map(|claim| {
            let (id, epoch) = (&claim["attempt"], &claim["epoch"]);
            let after = claim["message_seq"].as_u64().unwrap_or(0);
            let held = id.as_str().and_then(|id| self.attempts.get_mut(id));
            let held = held.filter(|held| held.phase == Phase::Held && *epoch == held.epoch);
            let Some(held) = held else {
                return json!({"attempt": id, "epoch": epoch, "desired": "abandon"});
            };
            held.renewed_at = Instant::now();
            let new = held.messages.iter();
            let new = new.filter(|message| message["number"].as_u64() > Some(after));
            let new: Vec<_> = new.cloned().collect();
            json!({"attempt": id, "epoch": epoch, "desired": held.desired(Way::Heartbeat), "messages": new})
        });
        let mut answer = json!({"leases": leases.collect::<Vec<_>>()});
        if !self.orders.is_null() {
            answer["orders"] = self.orders.clone();
        }
        Ok(answer)
    }

    /// The attempt, if that claim holds it.
    fn claimed(&mut self, call: &Call) -> Result<&mut Attempt, Refusal> {
        let held = call
            .attempt
            .as_ref()
            .and_then(|id| self.attempts.get_mut(id));
        let Some(held) = held else {
            return Err(UNKNOWN);
        };
        if call.epoch() != Some(held.epoch) || held.phase == Phase::Queued {
            return Err(STALE);
        }
        if held.phase == Phase::Ended {
            return Err(ENDED);
        }
        Ok(held)
    }

    fn advance(&mut self, call: &Call) -> Answer {
        let held = self.claimed(call)?;
        held.renewed_at = Instant::now();
        let desired = held.desired(Way::Answers);
        let claim = held.newest();
        claim
            .steps
            .push(call.json["step"].as_str().unwrap_or_default().to_owned());
        Ok(json!({"acknowledged_seq": claim.events.len(), "desired": desired}))
    }

    fn append(&mut self, call: &Call) -> Answer {
        let forgets = std::mem::take(&mut self.forgets);
        let held = self.claimed(call)?;
        held.renewed_at = Instant::now();
        let desired = held.desired(Way::Answers);
        let claim = held.newest();
        let first = usize::try_from(call.json["first_seq"].as_u64().unwrap_or(0)).unwrap_or(0);
        let Some(events) = call.json["events"].as_array().filter(|_| first > 0) else {
            return Err((422, "unprocessable", Some("/first_seq")));
        };
        if first > claim.events.len() + 1 {
            return Err(MISSING);
        }
        let known = claim.events.len() + 1 - first;
        claim.events.extend(events.iter().skip(known).cloned());
        let kept = claim.events.len().saturating_sub(forgets);
        claim.events.truncate(kept);
        Ok(json!({"acknowledged_seq": kept, "desired": desired}))
    }

    fn download(&mut self, call: &Call) -> Result<Response<Body>, Refusal> {
        let held = self.claimed(call)?;
        let input = held.work.inputs.get(call.kind.as_str());
        match input {
            Some(content) => Ok(respond(200, "application/octet-stream", content.clone())),
            None => Err(UNKNOWN),
        }
    }

    fn upload(&mut self, call: &Call) -> Answer {
        let repository = call.query("repository").unwrap_or("demo").to_owned();
        let held = self.claimed(call)?;
        let key = (call.kind.clone(), repository);
        held.newest().uploads.insert(key, call.bytes.to_vec());
        none()
    }

    fn checkpoint(&mut self, call: &Call) -> Answer {
        let held = self.claimed(call)?;
        held.renewed_at = Instant::now();
        let desired = held.desired(Way::Answers);
        let claim = held.newest();
        claim.has_uploads(&call.json, "checkpoint_diff", "checkpoint_session")?;
        claim.checkpoints.push(call.json.clone());
        Ok(json!({"desired": desired}))
    }

    fn finish(&mut self, call: &Call) -> Answer {
        let held = self.claimed(call)?;
        let claim = held.newest();
        claim.has_uploads(&call.json, "diff", "session")?;
        let last = call.json["last_seq"].as_u64().unwrap_or(u64::MAX);
        if (claim.events.len() as u64) < last {
            return Err(MISSING);
        }
        held.phase = Phase::Ended;
        held.finish = Some((held.epoch, call.json.clone()));
        none()
    }

    /// Given back, it waits again; one that was too many waits for nobody.
    fn release(&mut self, call: &Call) -> Answer {
        let again = !self.generous;
        let held = self.claimed(call)?;
        held.phase = Phase::Queued;
        held.released += 1;
        if again {
            let id = call.attempt.clone().expect("it was found by it");
            self.queue.push_back(id);
        }
        none()
    }
}

impl Attempt {
    fn newest(&mut self) -> &mut Claim {
        self.claims.entry(self.epoch).or_default()
    }

    /// What is wanted, as far as it is told by that way.
    fn desired(&self, by: Way) -> &'static str {
        match self.wish {
            Some((desired, way)) if way == by => desired,
            Some(_) | None => "run",
        }
    }
}

impl Claim {
    /// Fails if the result names what was not uploaded.
    fn has_uploads(&self, body: &Value, diff: &str, session: &str) -> Result<(), Refusal> {
        let has = |kind: &str, repository: &str| {
            let key = (kind.to_owned(), repository.to_owned());
            self.uploads.contains_key(&key)
        };
        let diffs = body["diffs"].as_array().cloned().unwrap_or_default();
        let mut named = diffs.iter().filter_map(|diff| diff["repository"].as_str());
        let session_missing = body["has_session"] == true && !has(session, "demo");
        if session_missing || named.any(|repository| !has(diff, repository)) {
            return Err(MISSING);
        }
        Ok(())
    }
}
