//! What people do, and what goes wrong.

use outwork_domain::AttemptId;
use outwork_store::StoreError;

use super::{Cause, Event, Kept, Simulation};
use crate::plan::Happening;

impl Simulation {
    pub(super) async fn happens(&mut self, happening: Happening) -> Kept {
        self.note(|_| format!("{happening:?}"));
        let now_ms = self.time.ms();
        match happening {
            Happening::Submit(attempts) => self.submit(attempts).await?,
            Happening::Cancel { which, whole } => self.cancel(which, whole).await?,
            Happening::Partition(worker, ms) => {
                self.network.trouble(worker);
                self.network.cut(worker, now_ms + ms);
            }
            Happening::Refuse(worker, ms) => {
                self.network.trouble(worker);
                self.network.refuse(worker, now_ms + ms);
            }
            Happening::Pause(worker, ms) => self.pause(worker, ms),
            Happening::Kill(worker, ms) => {
                if self.workers[worker].is_up() {
                    self.network.trouble(worker);
                    self.workers[worker].kill();
                    self.schedule(ms, Event::StartWorker(worker));
                }
            }
            Happening::Drain(worker, ms) => {
                if self.paused_until_ms[worker] <= now_ms {
                    self.away_ms[worker] = ms;
                    self.wake(worker);
                    self.workers[worker].drain();
                    self.carry_out(worker)?;
                }
            }
            Happening::KillServer(server, ms) => {
                if self.cluster.is_up(server) {
                    self.cluster.kill(server);
                    self.schedule(ms, Event::StartServer(server));
                }
            }
            Happening::PauseServer(server, ms) => {
                let until_ms = self.server_paused_until_ms[server].max(now_ms + ms);
                self.server_paused_until_ms[server] = until_ms;
                self.trouble_by_server();
            }
        }
        self.give_out().await
    }

    /// With several servers a worker may lose time with one while the others take its attempts away.
    pub(super) fn trouble_by_server(&mut self) {
        if self.cluster.servers() > 1 {
            (0..self.workers.len()).for_each(|worker| self.network.trouble(worker));
        }
    }

    fn pause(&mut self, worker: usize, ms: u64) {
        let now_ms = self.time.ms();
        if !self.workers[worker].is_up() || self.paused_until_ms[worker] > now_ms {
            return;
        }
        self.network.trouble(worker);
        self.paused_until_ms[worker] = now_ms + ms;
        if self.workers[worker].plan.stands_still {
            self.workers[worker].clock.stood_still(ms);
        }
    }

    async fn submit(&mut self, attempts: u32) -> Kept {
        let (task, attempts) = self.cluster.submit(attempts, &mut self.dice).await;
        self.observer.submitted(task, attempts);
        // What it changed is known.
        self.cluster.changes();
        Ok(())
    }

    async fn cancel(&mut self, which: u64, whole: bool) -> Kept {
        let tasks = self.observer.tasks();
        if tasks.is_empty() {
            return Ok(());
        }
        let place = |length: usize| usize::try_from(which % length as u64).expect("below a length");
        let (task, attempts) = tasks[place(tasks.len())].clone();
        let (store, workspace) = (&self.cluster.store, self.cluster.workspace());
        let open = |id: &AttemptId| {
            let attempt = self.observer.attempt(*id);
            attempt.is_some_and(|attempt| !attempt.state.is_final())
        };
        let (wanted, answer): (Vec<_>, _) = if whole {
            let wanted = attempts.into_iter().filter(open).collect();
            let answer = store.cancel_task(workspace, task, self.now()).await;
            (wanted, answer.map(drop))
        } else {
            let attempt = attempts[place(attempts.len())];
            let answer = store.cancel(workspace, attempt, self.now()).await;
            (vec![attempt], answer.map(drop))
        };
        match answer {
            Ok(()) => {
                for id in wanted {
                    self.note(|_| format!("{id} is cancelled"));
                    self.observer.cancelled(id);
                }
            }
            Err(StoreError::Refused(_)) => {}
            Err(other) => panic!("cancelling does not work: {other}"),
        }
        self.committed(Cause::Person, 0).await
    }

    /// From now on nothing more goes wrong. Who stands still goes on when his time is over.
    pub(super) fn calm(&mut self) {
        self.note(|_| "nothing goes wrong any more".to_owned());
        self.is_calm = true;
        self.network.calm();
        for worker in 0..self.workers.len() {
            if !self.workers[worker].is_up() {
                self.schedule(0, Event::StartWorker(worker));
            }
        }
        for server in 0..self.cluster.servers() {
            if !self.cluster.is_up(server) {
                self.schedule(0, Event::StartServer(server));
            }
        }
    }
}
