//! The loop: what happens goes into the model, what is to be done comes out, and it is drawn.

use std::io;
use std::time::Duration;

use outwork_domain::Timestamp;
use ratatui::crossterm::event::Event as Input;
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::event::{Answer, Effect, Event};
use crate::model::Model;
use crate::screen::Screen;
use crate::view::draw;

const TICK: Duration = Duration::from_millis(500);
/// How many events are taken before it is drawn again.
const MOST_AT_ONCE: usize = 512;

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody left.
    Quit,
    /// Somebody asked the process to stop, or the terminal has gone.
    Terminated,
}

/// Shows the picker until somebody leaves. Answers to what `carry_out` was given come through `answers`.
pub async fn run(
    screen: &mut Screen,
    (mut model, first): (Model, Vec<Effect>),
    now: fn() -> Timestamp,
    mut carry_out: impl FnMut(Effect),
    mut answers: Receiver<Answer>,
) -> io::Result<Ended> {
    first.into_iter().for_each(&mut carry_out);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if !Screen::is_open() {
            return Err(io::Error::other("a request panicked"));
        }
        screen.terminal.draw(|frame| draw(&model, frame))?;
        let event = tokio::select! {
            _ = screen.terminate.recv() => return Ok(Ended::Terminated),
            _ = screen.hang_up.recv() => return Ok(Ended::Terminated),
            input = screen.input.recv() => match input {
                Some(input) => from_input(input),
                None => return Ok(Ended::Terminated),
            },
            Some(answer) = answers.recv() => Some(Event::Answer(answer)),
            _ = tick.tick() => Some(Event::Tick(now())),
        };
        let mut next = event;
        for _ in 0..MOST_AT_ONCE {
            let Some(event) = next else { break };
            for effect in model.update(event) {
                match effect {
                    Effect::Quit => return Ok(Ended::Quit),
                    effect => carry_out(effect),
                }
            }
            next = match screen.input.try_recv() {
                Ok(input) => from_input(input),
                Err(_) => answers.try_recv().ok().map(Event::Answer),
            };
        }
    }
}

fn from_input(input: Input) -> Option<Event> {
    match input {
        Input::Key(key) => Some(Event::Key(key)),
        Input::Mouse(mouse) => Some(Event::Mouse(mouse)),
        Input::Paste(text) => Some(Event::Paste(text)),
        Input::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
        Input::FocusGained | Input::FocusLost => None,
    }
}
