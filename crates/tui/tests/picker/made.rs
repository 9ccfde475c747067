//! A picker, and answers for it.

use outwork_api::page::Page;
use outwork_api::task::{Attempt, DiffStat, Task, TaskSummary, Turn};
use outwork_api::time::Time;
use outwork_domain::Timestamp;
use outwork_tui::{Answer, Effect, Event, Model, Theme, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// When it is.
pub const NOW: i64 = 1_795_186_420_120;

/// A picker that nobody carries out anything for but the test.
pub struct Picker {
    pub model: Model,
    /// What it wants done, oldest first.
    pub effects: Vec<Effect>,
    size: (u16, u16),
}

impl Picker {
    pub fn new(columns: u16, rows: u16) -> Self {
        Self::with_theme(Theme::Plain, columns, rows)
    }

    pub fn with_theme(theme: Theme, columns: u16, rows: u16) -> Self {
        let now = Timestamp::from_millis(NOW);
        let (model, effects) = Model::new(theme, "http://127.0.0.1:7420", (columns, rows), now);
        Self {
            model,
            effects,
            size: (columns, rows),
        }
    }

    pub fn event(&mut self, event: Event) -> &mut Self {
        let effects = self.model.update(event);
        self.effects.extend(effects);
        self
    }

    pub fn answer(&mut self, answer: Answer) -> &mut Self {
        self.event(Event::Answer(answer))
    }

    /// Keys: characters, `<Enter>` and the like, `^x` for Ctrl.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let named = rest
                .strip_prefix('<')
                .and_then(|named| named.split_once('>'));
            let (code, modifiers, after) = match (c, named) {
                ('<', Some((name, after))) => (named_key(name), KeyModifiers::NONE, after),
                ('^', _) => {
                    let key = rest[1..].chars().next().expect("a key after ^");
                    (KeyCode::Char(key), KeyModifiers::CONTROL, &rest[2..])
                }
                _ => (KeyCode::Char(c), KeyModifiers::NONE, &rest[c.len_utf8()..]),
            };
            self.event(Event::Key(KeyEvent::new(code, modifiers)));
            rest = after;
        }
        self
    }

    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.size = (columns, rows);
        self.event(Event::Resize(columns, rows))
    }

    /// Lets so many milliseconds pass since the beginning.
    pub fn at(&mut self, ms: i64) -> &mut Self {
        self.event(Event::Tick(Timestamp::from_millis(NOW + ms)))
    }

    /// What it wanted since the last time.
    pub fn wanted(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The screen, line by line, without spaces at the ends.
    pub fn screen(&self) -> String {
        let backend = TestBackend::new(self.size.0, self.size.1);
        let mut terminal = Terminal::new(backend).expect("memory");
        let drawn = terminal
            .draw(|frame| draw(&self.model, frame))
            .expect("memory");
        let cells = &drawn.buffer.content;
        let lines = cells.chunks(usize::from(self.size.0)).map(|line| {
            let text: String = line.iter().map(|cell| cell.symbol()).collect();
            text.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The line of the selection.
    pub fn selected(&self) -> String {
        let screen = self.screen();
        let line = screen.lines().find(|line| line.starts_with('>'));
        line.unwrap_or_default().to_owned()
    }
}

fn named_key(name: &str) -> KeyCode {
    match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "PgDn" => KeyCode::PageDown,
        "PgUp" => KeyCode::PageUp,
        "End" => KeyCode::End,
        other => panic!("no key {other}"),
    }
}

pub fn time(ms: i64) -> Time {
    Time::from(Timestamp::from_millis(NOW + ms))
}

/// Task `number`, made that many seconds ago.
pub fn summary(number: u32, status: &str, title: &str) -> TaskSummary {
    let outcome = match status {
        "completed" => Some("succeeded"),
        "failed" => Some("timed_out"),
        _ => None,
    };
    TaskSummary {
        id: format!("task_{number:032}"),
        url: format!("http://127.0.0.1:7420/codex/tasks/task_{number:032}"),
        title: title.to_owned(),
        status: status.to_owned(),
        outcome: outcome.map(str::to_owned),
        created_at: time(-i64::from(number) * 1000),
        updated_at: time(-i64::from(number) * 1000),
        created_by: None,
        environment_id: "env_1".to_owned(),
        environment_label: "demo".to_owned(),
        summary: DiffStat {
            files_changed: u64::from(status == "completed"),
            lines_added: 3,
            lines_removed: 1,
        },
        is_review: false,
        attempt_total: 1,
        waiting_for: None,
        approval_state: None,
        overlap_count: 0,
    }
}

pub fn page(items: Vec<TaskSummary>, next: Option<&str>) -> Page<TaskSummary> {
    Page {
        items,
        next_cursor: next.map(str::to_owned),
    }
}

/// The first page of the list `list`.
pub fn tasks(list: u64, items: Vec<TaskSummary>) -> Answer {
    Answer::Tasks {
        list,
        cursor: None,
        page: Ok(page(items, None)),
    }
}

pub fn attempt(number: u32, state: &str) -> Attempt {
    let has_ended = matches!(state, "succeeded" | "failed" | "cancelled");
    Attempt {
        id: format!("att_{number}"),
        number,
        state: state.to_owned(),
        cancelling: false,
        agent: None,
        deadline_at: None,
        tries: 1,
        worker: None,
        isolation: None,
        ended_at: has_ended.then(|| time(0)),
        failure: None,
        question: None,
        diff: has_ended.then_some(DiffStat {
            files_changed: 1,
            lines_added: 3,
            lines_removed: 1,
        }),
        diffs: Vec::new(),
        message: has_ended.then(|| format!("Attempt {number} is done.")),
        output: None,
        tokens: None,
        verification: None,
        cost: None,
    }
}

/// The task of a row, with one turn and these attempts.
pub fn task(summary: TaskSummary, attempts: Vec<Attempt>) -> Task {
    Task {
        branch: Some("main".to_owned()),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        interactive: true,
        priority: Default::default(),
        further_repositories: Vec::new(),
        pull_request: None,
        approval: None,
        turns: vec![Turn {
            id: "turn_1".to_owned(),
            number: 1,
            prompt: format!("{}\n\nIn full.", summary.title),
            output_schema: None,
            continues: None,
            kind: Default::default(),
            composed_from: Vec::new(),
            created_at: summary.created_at,
            ranking: None,
            chosen: None,
            shown: None,
            attempts,
        }],
        summary,
    }
}

/// That task as an answer.
pub fn loaded(task: Task) -> Answer {
    Answer::Task {
        task: task.summary.id.clone(),
        result: Ok(Box::new(task)),
    }
}
