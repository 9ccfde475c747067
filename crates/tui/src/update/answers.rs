//! What comes back.

use outwork_api::task::Task;

use crate::event::{Answer, EnvironmentRow, Trouble};
use crate::model::{Model, sentence};
use crate::overlay::{Apply, ApplyState, Composer, Overlay, Recipient};
use crate::plain::plain;
use crate::task_row::{TaskRow, short};

impl Model {
    pub(super) fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Tasks { list, cursor, page } => self.take_page(list, cursor.as_deref(), page),
            Answer::Task { task, result } => self.take_task(&task, result),
            Answer::Log { attempt, lines } => {
                if let Some(open) = &mut self.open {
                    open.take_log(&attempt, &lines);
                }
            }
            Answer::LogAway { attempt } => self.with_log(&attempt, |log| log.is_away = true),
            Answer::LogEnded { attempt, trouble } => self.with_log(&attempt, |log| {
                log.is_away = false;
                log.trouble = trouble.as_ref().map(sentence);
            }),
            Answer::Diff { key, result } => {
                let columns = self.page_columns();
                if let Some(open) = &mut self.open {
                    open.take_diff(key, result, columns);
                }
            }
            Answer::Environments(result) => self.take_environments(result),
            Answer::Preflight { key, result } => self.with_apply(|apply| {
                if apply.key == key && matches!(apply.state, ApplyState::Checking) {
                    apply.state = match result {
                        Ok(plan) => ApplyState::Asking(plan),
                        Err(trouble) => ApplyState::Failed(trouble),
                    };
                }
            }),
            Answer::Applied { key, result } => self.with_apply(|apply| {
                if apply.key == key {
                    apply.state = match result {
                        Ok(applied) => ApplyState::Done(applied),
                        Err(trouble) => ApplyState::Failed(trouble),
                    };
                }
            }),
            Answer::Cancelled(Ok(task)) => {
                self.say("asked to stop");
                self.take_newer(*task);
            }
            Answer::Cancelled(Err(trouble)) => self.complain(&trouble),
            Answer::Sent { draft, result } => self.take_sent(draft, result),
        }
    }

    fn take_page(
        &mut self,
        list: u64,
        cursor: Option<&str>,
        page: Result<outwork_api::page::Page<outwork_api::task::TaskSummary>, Trouble>,
    ) {
        let is_ours = match page {
            Ok(page) => {
                let is_ours = self.tasks.take(list, cursor, page);
                if is_ours {
                    self.trouble = None;
                }
                is_ours
            }
            Err(trouble) => {
                let is_ours = self.tasks.missed(list, cursor);
                if is_ours {
                    self.trouble = Some(sentence(&trouble));
                }
                return;
            }
        };
        if is_ours && self.open.is_none() {
            // Perhaps the screen is not full yet.
            let (now, height) = (self.now, self.list_height());
            let wants = self.tasks.wants(now, height, false);
            self.effects.extend(wants);
        }
    }

    fn take_task(&mut self, id: &str, result: Result<Box<Task>, Trouble>) {
        let is_open = self.open.as_ref().is_some_and(|open| open.id == id);
        match result {
            Ok(task) => {
                self.trouble = None;
                self.take_newer(*task);
            }
            Err(trouble) if is_open => {
                if let Some(open) = &mut self.open {
                    open.missed();
                }
                self.trouble = Some(sentence(&trouble));
            }
            Err(_) => {}
        }
    }

    /// Takes what is new of a task, in the list and where it is open.
    fn take_newer(&mut self, task: Task) {
        let row = TaskRow::from(&task.summary);
        if self.tasks.has(&task.summary) {
            self.tasks.put(row);
        }
        let columns = self.page_columns();
        if let Some(open) = &mut self.open
            && open.id == task.summary.id
        {
            let effects = open.take(task, columns);
            let wants_apply = std::mem::take(&mut open.wants_apply);
            self.effects.extend(effects);
            if wants_apply {
                self.ask_to_apply();
            }
        }
    }

    fn take_environments(&mut self, result: Result<Vec<EnvironmentRow>, Trouble>) {
        self.environments.is_loading = false;
        match result {
            Ok(rows) => {
                self.environments.trouble = None;
                self.environments.rows = rows;
                self.choose_here();
                self.choose_for_composer();
            }
            Err(trouble) => self.environments.trouble = Some(sentence(&trouble)),
        }
    }

    /// Limits the list to the environment of the folder that the person stands in, if there is exactly one.
    fn choose_here(&mut self) {
        if self.has_chosen {
            return;
        }
        self.has_chosen = true;
        let mut here = self.environments.rows.iter().filter(|row| row.is_here);
        if let (Some(only), None) = (here.next(), here.next()) {
            let (id, label) = (only.id.clone(), plain(&only.label));
            self.tasks.restart(Some(id));
            self.say(format!(
                "tasks of {label}, which is this folder's; Ctrl+O for others"
            ));
            self.refresh(true);
        }
    }

    /// Somebody may have begun to write before the environments were known.
    fn choose_for_composer(&mut self) {
        let likely = self.likely_environment();
        for overlay in &mut self.overlays {
            if let Overlay::Composer(composer) = overlay
                && matches!(composer.recipient, Recipient::New(None))
            {
                composer.recipient = Recipient::New(likely.clone());
            }
        }
    }

    fn take_sent(&mut self, draft: u64, result: Result<Box<Task>, Trouble>) {
        let result = match result {
            Ok(task) => {
                self.discard(draft);
                self.say(format!("sent: task {}", short(&task.summary.id)));
                let key = TaskRow::from(&task.summary).key;
                self.see_newest(&task.summary.id);
                self.take_newer(*task);
                let height = self.list_height();
                let index = self.tasks.rows().iter().position(|row| row.key == key);
                if let Some(index) = index {
                    self.tasks.select(index, height);
                }
                return;
            }
            Err(trouble) => trouble,
        };
        self.notice = None;
        let is_seen = self.with_composer(draft, |composer| {
            composer.is_sending = false;
            composer.trouble = Some(result.clone());
        });
        if !is_seen {
            self.complain(&result);
        }
    }

    /// What was said begins a turn, or is said in the newest.
    fn see_newest(&mut self, task: &str) {
        let columns = self.page_columns();
        if let Some(open) = self.open.as_mut().filter(|open| open.id == task) {
            let effects = match open.is_newest() {
                true => Vec::new(),
                false => open.see_turn(None, columns),
            };
            self.effects.extend(effects);
        }
    }

    /// Forgets what was sent.
    fn discard(&mut self, draft: u64) {
        let is_sent = |composer: &Composer| composer.draft == draft;
        self.put_aside.take_if(|composer| is_sent(composer));
        self.overlays.retain(|overlay| match overlay {
            Overlay::Composer(composer) => !is_sent(composer),
            _ => true,
        });
    }

    /// Whether it is above the screen, not put aside.
    fn with_composer(&mut self, draft: u64, change: impl Fn(&mut Composer)) -> bool {
        let mut is_seen = false;
        for overlay in &mut self.overlays {
            if let Overlay::Composer(composer) = overlay
                && composer.draft == draft
            {
                change(composer);
                is_seen = true;
            }
        }
        if let Some(composer) = self.put_aside.as_mut().filter(|it| it.draft == draft) {
            change(composer);
        }
        is_seen
    }

    fn with_apply(&mut self, change: impl FnOnce(&mut Apply)) {
        let apply = self.overlays.iter_mut().find_map(|overlay| match overlay {
            Overlay::Apply(apply) => Some(apply),
            _ => None,
        });
        if let Some(apply) = apply {
            change(apply);
        }
    }

    fn with_log(&mut self, attempt: &str, change: impl FnOnce(&mut crate::log::Log)) {
        if let Some(open) = &mut self.open
            && open.log.attempt.as_deref() == Some(attempt)
        {
            change(&mut open.log);
        }
    }
}
