//! Keys on the list and in an open task.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::event::{Effect, EnvironmentRow};
use crate::model::Model;
use crate::open_task::{OpenTask, Tab};
use crate::overlay::{Apply, ApplyState, Composer, EnvironmentSearch, Overlay, Recipient};
use crate::task_row::{Status, short};

/// How many columns the diff moves sideways.
const SIDEWAYS: usize = 8;

impl Model {
    /// A key while nothing lies above the screen.
    pub(super) fn press(&mut self, key: KeyEvent) {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => self.effects.push(Effect::Quit),
            KeyCode::Char('o') if is_control => self.search_environments(false),
            KeyCode::Char('?') => self.overlays.push(Overlay::Help),
            KeyCode::Char('n') if !is_control => self.compose_task(),
            KeyCode::Char('r') if !is_control => {
                self.load_environments();
                let columns = self.page_columns();
                if let Some(open) = &mut self.open {
                    let effects = open.reload(columns);
                    self.effects.extend(effects);
                }
                self.refresh(true);
            }
            _ => match self.open.is_some() {
                true => self.press_in_task(key, is_control),
                false => self.press_in_list(key, is_control),
            },
        }
    }

    fn press_in_list(&mut self, key: KeyEvent, is_control: bool) {
        let height = self.list_height();
        let page = height as isize;
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => self.effects.push(Effect::Quit),
            KeyCode::Down | KeyCode::Char('j') => self.tasks.step(1, height),
            KeyCode::Up | KeyCode::Char('k') => self.tasks.step(-1, height),
            KeyCode::PageDown | KeyCode::Char(' ') => self.tasks.step(page, height),
            KeyCode::PageUp => self.tasks.step(-page, height),
            KeyCode::Char('d') if is_control => self.tasks.step(page / 2, height),
            KeyCode::Char('u') if is_control => self.tasks.step(-page / 2, height),
            KeyCode::Home | KeyCode::Char('g') => self.tasks.select(0, height),
            KeyCode::End | KeyCode::Char('G') => self.tasks.select(usize::MAX, height),
            KeyCode::Enter | KeyCode::Right => self.open_selected(),
            KeyCode::Char('v') => {
                self.tasks.toggle_reviews();
                return self.refresh(true);
            }
            KeyCode::Char('d') => self.open_selected_at(Tab::Diff),
            KeyCode::Char('l') => self.open_selected_at(Tab::Log),
            KeyCode::Char('a') => {
                self.open_selected_at(Tab::Diff);
                if let Some(open) = &mut self.open {
                    open.wants_apply = true;
                }
            }
            _ => return,
        }
        self.refresh(false);
    }

    /// Opens the selected task where there is most to see.
    pub(super) fn open_selected(&mut self) {
        let Some(row) = self.tasks.selected() else {
            return;
        };
        self.open_selected_at(match row.status {
            Status::Running => Tab::Log,
            _ => Tab::Overview,
        });
    }

    fn open_selected_at(&mut self, tab: Tab) {
        let Some(row) = self.tasks.selected().cloned() else {
            return;
        };
        let mut open = OpenTask::new(row.key.id.clone(), Some(row));
        open.tab = tab;
        self.open = Some(open);
        self.refresh(true);
    }

    fn close_task(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.log.attempt.is_some() {
            self.effects.push(Effect::FollowLog { attempt: None });
        }
        self.refresh(true);
    }

    fn press_in_task(&mut self, key: KeyEvent, is_control: bool) {
        let (height, columns) = (self.page_height(), self.page_columns());
        let Some(open) = &mut self.open else { return };
        let page = height as isize;
        let effects = match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return self.close_task(),
            KeyCode::Char('a') => return self.ask_to_apply(),
            KeyCode::Char('c') => return self.ask_to_cancel(),
            KeyCode::Char('f') if !is_control => return self.compose_follow_up(),
            KeyCode::Char('i') => return self.compose_answer(),
            KeyCode::Char('1' | 'o') => open.open_tab(Tab::Overview, columns),
            KeyCode::Char('2' | 'l') => open.open_tab(Tab::Log, columns),
            KeyCode::Char('3') => open.open_tab(Tab::Diff, columns),
            KeyCode::Char('d') if !is_control => open.open_tab(Tab::Diff, columns),
            KeyCode::Char('4' | 's') => match (open.tab, open.attempts().len()) {
                (_, 0 | 1) => return self.say("there is but one attempt"),
                (Tab::Attempts, _) => open.step_right(columns),
                _ => open.open_tab(Tab::Attempts, columns),
            },
            KeyCode::Char('<') => open.step_turn(false, columns),
            KeyCode::Char('>') => open.step_turn(true, columns),
            KeyCode::Tab | KeyCode::Char(']') => open.step_attempt(1, columns),
            KeyCode::BackTab | KeyCode::Char('[') => open.step_attempt(-1, columns),
            KeyCode::Char('R') => open.step_repository(columns),
            code => {
                scroll(open, code, is_control, page, height);
                Vec::new()
            }
        };
        self.effects.extend(effects);
    }

    /// Opens the search for an environment, with what is known already.
    pub(super) fn search_environments(&mut self, for_composer: bool) {
        self.load_environments();
        self.overlays.push(Overlay::Environments(EnvironmentSearch {
            for_composer,
            ..EnvironmentSearch::default()
        }));
    }

    fn compose_task(&mut self) {
        let is_new = |composer: &Composer| matches!(composer.recipient, Recipient::New(_));
        let recipient = Recipient::New(self.likely_environment());
        match self.put_aside.take_if(|composer| is_new(composer)) {
            Some(composer) => self.overlays.push(Overlay::Composer(composer)),
            None => self.compose(recipient),
        }
    }

    /// The environment that a new task is for unless somebody says otherwise.
    pub(super) fn likely_environment(&self) -> Option<EnvironmentRow> {
        let rows = &self.environments.rows;
        let here = || rows.iter().find(|row| row.is_here);
        let only = || rows.first().filter(|_| rows.len() == 1);
        let likely = self.environment().or_else(here).or_else(only);
        likely.cloned()
    }

    fn compose(&mut self, recipient: Recipient) {
        let put_aside = self
            .put_aside
            .take_if(|composer| composer.recipient == recipient);
        let composer = put_aside.unwrap_or_else(|| {
            self.drafts += 1;
            Composer::new(recipient, self.drafts)
        });
        self.overlays.push(Overlay::Composer(composer));
    }

    fn compose_follow_up(&mut self) {
        let Some(open) = &self.open else { return };
        if !open.status().has_ended() {
            return self.say("a follow-up is possible once the task has ended");
        }
        let recipient = Recipient::FollowUp {
            task: open.id.clone(),
            // It goes on from the newest turn, whichever is seen.
            attempt: open
                .attempt()
                .filter(|_| open.is_newest())
                .map(|attempt| attempt.number),
        };
        self.compose(recipient);
    }

    fn compose_answer(&mut self) {
        let asking = self.open.as_ref().and_then(OpenTask::asking);
        let Some(attempt) = asking else {
            return self.say("the agent asks nothing");
        };
        let recipient = Recipient::Answer {
            task: self.open.as_ref().expect("it asks").id.clone(),
            attempt: attempt.number,
            question: attempt.question.clone().unwrap_or_default(),
        };
        self.compose(recipient);
    }

    fn ask_to_cancel(&mut self) {
        let Some(open) = &self.open else { return };
        if open.status().has_ended() {
            return self.say("the task has ended already");
        }
        let question = format!(
            "Stop task {}? What it has changed so far is kept.",
            short(&open.id)
        );
        let effect = Effect::Cancel {
            task: open.id.clone(),
        };
        self.overlays.push(Overlay::Confirm { question, effect });
    }

    pub(super) fn ask_to_apply(&mut self) {
        let key = self.open.as_ref().and_then(OpenTask::diff_key);
        let Some(key) = key else {
            return self.say("the task is not loaded yet");
        };
        self.effects.push(Effect::Preflight(key.clone()));
        self.overlays.push(Overlay::Apply(Apply {
            key,
            state: ApplyState::Checking,
            top: 0,
        }));
    }
}

fn scroll(open: &mut OpenTask, code: KeyCode, is_control: bool, page: isize, height: usize) {
    let has_code = matches!(open.tab, Tab::Diff | Tab::Attempts);
    match code {
        KeyCode::Down | KeyCode::Char('j') => open.scroll(1, height),
        KeyCode::Up | KeyCode::Char('k') => open.scroll(-1, height),
        KeyCode::PageDown | KeyCode::Char(' ') => open.scroll(page, height),
        KeyCode::PageUp => open.scroll(-page, height),
        KeyCode::Char('d') if is_control => open.scroll(page / 2, height),
        KeyCode::Char('u') if is_control => open.scroll(-page / 2, height),
        KeyCode::Home | KeyCode::Char('g') => open.scroll_to(0, height),
        KeyCode::End | KeyCode::Char('G') => open.scroll_to(usize::MAX, height),
        KeyCode::Char('}') => open.step_file(true, height),
        KeyCode::Char('{') => open.step_file(false, height),
        KeyCode::Left if has_code => open.left = open.left.saturating_sub(SIDEWAYS),
        KeyCode::Right if has_code => open.left += SIDEWAYS,
        _ => {}
    }
}
