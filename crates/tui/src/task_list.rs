//! The list of tasks: as many pages of it as somebody has scrolled to, and kept up to date where they look.

use outwork_api::page::Page;
use outwork_api::task::TaskSummary;
use outwork_domain::Timestamp;

use crate::event::Effect;
use crate::task_row::{RowKey, TaskRow};

/// How often what is seen is asked for again, in milliseconds.
const REFRESH_MS: i64 = 2000;
/// How many rows before the end the next page is asked for.
const AHEAD: usize = 50;
/// The fewest rows between two pages at which there is room for one between them.
const ROOM: usize = 200;

/// Where a page begins.
#[derive(Clone, Debug)]
struct PageStart {
    /// The last row before it; none for the first page.
    after: Option<RowKey>,
    cursor: Option<String>,
}

/// The list.
#[derive(Debug)]
pub(crate) struct TaskList {
    /// The newest first.
    rows: Vec<TaskRow>,
    selected: Option<RowKey>,
    /// The first row seen.
    pub top: usize,
    /// Counts the lists; answers for another one are dropped.
    generation: u64,
    /// Only those of this environment, by id.
    environment: Option<String>,
    /// Whether it is the list of reviews, which are in no other.
    reviews: bool,
    pages: Vec<PageStart>,
    is_complete: bool,
    pub is_loaded: bool,
    /// The cursors that are on their way.
    in_flight: Vec<Option<String>>,
    asked_at: Option<Timestamp>,
}

impl TaskList {
    pub fn new(generation: u64, environment: Option<String>) -> Self {
        Self {
            rows: Vec::new(),
            selected: None,
            top: 0,
            generation,
            environment,
            reviews: false,
            pages: vec![PageStart {
                after: None,
                cursor: None,
            }],
            is_complete: false,
            is_loaded: false,
            in_flight: Vec::new(),
            asked_at: None,
        }
    }

    /// The list for another environment.
    pub fn restart(&mut self, environment: Option<String>) {
        let reviews = self.reviews;
        *self = Self::new(self.generation + 1, environment);
        self.reviews = reviews;
    }

    /// The list of reviews instead, or back from it.
    pub fn toggle_reviews(&mut self) {
        self.reviews = !self.reviews;
        self.restart(self.environment.clone());
    }

    pub fn is_of_reviews(&self) -> bool {
        self.reviews
    }

    /// Whether a task stands in this list.
    pub fn has(&self, task: &TaskSummary) -> bool {
        let environment = self.environment.as_ref();
        let is_here = environment.is_none_or(|id| *id == task.environment_id);
        is_here && task.is_review == self.reviews
    }

    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    pub fn rows(&self) -> &[TaskRow] {
        &self.rows
    }

    /// Whether there is nothing older than what is loaded.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        let at = self.position(selected).unwrap_or_else(|next| next);
        (!self.rows.is_empty()).then(|| at.min(self.rows.len() - 1))
    }

    pub fn selected(&self) -> Option<&TaskRow> {
        self.rows.get(self.selected_index()?)
    }

    /// Selects a row and keeps it within `height` rows.
    pub fn select(&mut self, index: usize, height: usize) {
        let index = index.min(self.rows.len().saturating_sub(1));
        self.selected = self.rows.get(index).map(|row| row.key.clone());
        self.show(height);
    }

    /// Moves the selection by so many rows.
    pub fn step(&mut self, by: isize, height: usize) {
        let index = self.selected_index().unwrap_or(0);
        self.select(index.saturating_add_signed(by), height);
    }

    /// Scrolls as little as it takes to see the selection.
    pub fn show(&mut self, height: usize) {
        let height = height.max(1);
        let index = self.selected_index().unwrap_or(0);
        let lowest = (index + 1).saturating_sub(height);
        self.top = self.top.clamp(lowest, index.max(lowest));
    }

    /// Puts one task in, or what is new of it. Where the list was looked at stays where it was.
    pub fn put(&mut self, row: TaskRow) {
        match self.position(&row.key) {
            Ok(at) => self.rows[at] = row,
            Err(at) => {
                let is_above = at < self.top || (at == self.top && self.top > 0);
                self.rows.insert(at, row);
                if is_above {
                    self.top += 1;
                }
            }
        }
    }

    /// Takes a page; whether it is one of this list.
    pub fn take(&mut self, generation: u64, cursor: Option<&str>, page: Page<TaskSummary>) -> bool {
        if !self.answered(generation, cursor) {
            return false;
        }
        self.is_loaded = true;
        let Page { items, next_cursor } = page;
        let last = items.last().map(|task| TaskRow::from(task).key);
        for task in &items {
            if self.has(task) {
                self.put(task.into());
            }
        }
        if self.selected.is_none() {
            self.selected = self.rows.first().map(|row| row.key.clone());
        }
        self.note_page(cursor, last, next_cursor);
        true
    }

    /// A page did not come.
    pub fn missed(&mut self, generation: u64, cursor: Option<&str>) -> bool {
        self.answered(generation, cursor)
    }

    fn answered(&mut self, generation: u64, cursor: Option<&str>) -> bool {
        if generation != self.generation {
            return false;
        }
        self.in_flight.retain(|one| one.as_deref() != cursor);
        true
    }

    /// Remembers where the page after this one begins, if that was not known.
    fn note_page(&mut self, cursor: Option<&str>, last: Option<RowKey>, next: Option<String>) {
        let known = self
            .pages
            .iter()
            .position(|page| page.cursor.as_deref() == cursor);
        let Some(at) = known else { return };
        let is_last = at + 1 == self.pages.len();
        let (Some(next), Some(last)) = (next, last) else {
            self.is_complete |= is_last;
            return;
        };
        let start = PageStart {
            after: Some(last),
            cursor: Some(next),
        };
        if is_last {
            self.pages.push(start);
            self.is_complete = false;
        } else if self.first_row(at + 1).saturating_sub(self.first_row(at)) >= ROOM {
            // So much came in at the top that another page has room.
            self.pages.insert(at + 1, start);
        }
    }

    fn first_row(&self, page: usize) -> usize {
        match &self.pages[page].after {
            None => 0,
            Some(after) => match self.position(after) {
                Ok(at) => at + 1,
                Err(at) => at,
            },
        }
    }

    /// What is to be asked for now: what is seen, from time to time, and what comes next.
    pub fn wants(&mut self, now: Timestamp, height: usize, is_urgent: bool) -> Vec<Effect> {
        let mut cursors: Vec<Option<String>> = Vec::new();
        let is_due = self
            .asked_at
            .is_none_or(|at| now.as_millis() - at.as_millis() >= REFRESH_MS);
        if is_due || is_urgent {
            self.asked_at = Some(now);
            cursors.push(None);
            let seen = self.top..self.top + height;
            let last = self.pages.len() - usize::from(!self.is_complete && self.pages.len() > 1);
            for page in 1..last {
                let end = match page + 1 < self.pages.len() {
                    true => self.first_row(page + 1),
                    false => self.rows.len(),
                };
                if self.first_row(page) < seen.end && end > seen.start {
                    cursors.push(self.pages[page].cursor.clone());
                }
            }
        }
        let bottom = self.selected_index().unwrap_or(0).max(self.top + height);
        if !self.is_complete && self.is_loaded && bottom + AHEAD >= self.rows.len() {
            cursors.extend(self.pages.last().map(|page| page.cursor.clone()));
        }
        cursors
            .into_iter()
            .filter_map(|cursor| self.ask(cursor))
            .collect()
    }

    fn ask(&mut self, cursor: Option<String>) -> Option<Effect> {
        if self.in_flight.contains(&cursor) {
            return None;
        }
        self.in_flight.push(cursor.clone());
        Some(Effect::ListTasks {
            list: self.generation,
            environment: self.environment.clone(),
            reviews: self.reviews,
            cursor,
        })
    }

    /// Where the row is, or would be.
    fn position(&self, key: &RowKey) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| key.cmp(&row.key))
    }
}
