//! Keys for what lies above the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::event::Effect;
use crate::model::Model;
use crate::overlay::{
    Apply, ApplyState, Composer, EnvironmentSearch, MOST_ATTEMPTS, Overlay, Recipient,
};

impl Model {
    /// A key while something lies above the screen.
    pub(super) fn press_above(&mut self, key: KeyEvent) {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && key.code == KeyCode::Char('c') {
            return self.effects.push(Effect::Quit);
        }
        let Some(overlay) = self.overlays.pop() else {
            return;
        };
        match overlay {
            // Any key closes it.
            Overlay::Help => {}
            Overlay::Confirm { question, effect } => self.press_confirm(key, question, effect),
            Overlay::Apply(apply) => self.press_apply(key, apply),
            Overlay::Environments(search) => self.press_search(key, search),
            Overlay::Composer(composer) => self.press_composer(key, is_control, composer),
        }
    }

    fn press_confirm(&mut self, key: KeyEvent, question: String, effect: Effect) {
        match key.code {
            KeyCode::Char('y' | 'Y') => self.effects.push(effect),
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
            _ => self.overlays.push(Overlay::Confirm { question, effect }),
        }
    }

    fn press_apply(&mut self, key: KeyEvent, mut apply: Apply) {
        let page = self.page_height();
        match (&apply.state, key.code) {
            (ApplyState::Asking(plan), KeyCode::Char('y' | 'Y'))
                if plan.conflicts.is_empty() && !plan.files.is_empty() =>
            {
                self.apply(&mut apply, false);
            }
            (ApplyState::Asking(plan), KeyCode::Char('m')) if !plan.conflicts.is_empty() => {
                self.apply(&mut apply, true);
            }
            // Files are being written: what comes of it is to be seen.
            (ApplyState::Applying, KeyCode::Esc | KeyCode::Char('q' | 'n')) => {}
            (_, KeyCode::Esc | KeyCode::Char('q' | 'n')) => return,
            (ApplyState::Done(_) | ApplyState::Failed(_), KeyCode::Enter) => return,
            (_, KeyCode::Down | KeyCode::Char('j')) => apply.top += 1,
            (_, KeyCode::Up | KeyCode::Char('k')) => apply.top = apply.top.saturating_sub(1),
            (_, KeyCode::PageDown | KeyCode::Char(' ')) => apply.top += page,
            (_, KeyCode::PageUp) => apply.top = apply.top.saturating_sub(page),
            _ => {}
        }
        apply.top = apply.top.min(apply.lines().len().saturating_sub(1));
        self.overlays.push(Overlay::Apply(apply));
    }

    fn apply(&mut self, apply: &mut Apply, merge: bool) {
        let key = apply.key.clone();
        self.effects.push(Effect::Apply { key, merge });
        (apply.state, apply.top) = (ApplyState::Applying, 0);
    }

    fn press_search(&mut self, key: KeyEvent, mut search: EnvironmentSearch) {
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => return self.choose_environment(&search),
            KeyCode::Up => search.selected = search.selected.saturating_sub(1),
            KeyCode::Down => search.selected += 1,
            KeyCode::PageUp => search.selected = search.selected.saturating_sub(10),
            KeyCode::PageDown => search.selected += 10,
            _ => {
                if search.input.press(key) {
                    search.selected = 0;
                }
            }
        }
        let count = search.matches(&self.environments.rows).len();
        search.selected = search.selected.min(count.saturating_sub(1));
        self.overlays.push(Overlay::Environments(search));
    }

    fn choose_environment(&mut self, search: &EnvironmentSearch) {
        let matches = search.matches(&self.environments.rows);
        let Some(chosen) = matches.get(search.selected).copied() else {
            return;
        };
        let chosen = chosen.cloned();
        if search.for_composer {
            if let Some(Overlay::Composer(composer)) = self.overlays.last_mut() {
                composer.recipient = Recipient::New(chosen);
                self.drafts += 1;
                composer.draft = self.drafts;
            }
            return;
        }
        self.has_chosen = true;
        self.tasks.restart(chosen.map(|row| row.id));
        if self.open.take().is_some() {
            self.effects.push(Effect::FollowLog { attempt: None });
        }
        self.refresh(true);
    }

    fn press_composer(&mut self, key: KeyEvent, is_control: bool, mut composer: Composer) {
        let is_plain = !key
            .modifiers
            .intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
        match key.code {
            // What is on its way still takes its answer from there.
            KeyCode::Esc => {
                self.put_aside = Some(composer);
                return;
            }
            _ if composer.is_sending => {}
            KeyCode::Enter if is_plain => self.send(&mut composer),
            KeyCode::Char('n') if is_control && composer.has_attempts() => {
                composer.attempts = composer.attempts % MOST_ATTEMPTS + 1;
                self.renew(&mut composer);
            }
            KeyCode::Char('o') if is_control => {
                let is_new = matches!(composer.recipient, Recipient::New(_));
                self.overlays.push(Overlay::Composer(composer));
                if is_new {
                    self.search_environments(true);
                }
                return;
            }
            _ => {
                if composer.input.press(key) {
                    self.renew(&mut composer);
                }
            }
        }
        self.overlays.push(Overlay::Composer(composer));
    }

    /// What is written now is not what was tried to be sent.
    fn renew(&mut self, composer: &mut Composer) {
        self.drafts += 1;
        composer.draft = self.drafts;
        composer.trouble = None;
    }

    fn send(&mut self, composer: &mut Composer) {
        match composer.said() {
            Err(missing) => self.say(missing),
            Ok(said) => {
                let draft = composer.draft;
                composer.is_sending = true;
                composer.trouble = None;
                self.effects.push(Effect::Send { draft, said });
            }
        }
    }
}
