//! The terminal while the picker has it, and given back whatever happens.

use std::io::{self, Stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Whether the terminal is ours now. A panic anywhere gives it back.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// The terminal, taken over. Dropping it gives it back, as does a panic.
pub struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
    pub(crate) input: mpsc::UnboundedReceiver<event::Event>,
    pub(crate) terminate: Signal,
    pub(crate) hang_up: Signal,
}

impl Screen {
    /// Takes the terminal over. Needs a tokio runtime, for the signals.
    pub fn open() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        // Before the terminal is another one: a signal that comes between would end the process at once.
        let terminate = signal(SignalKind::terminate())?;
        let hang_up = signal(SignalKind::hangup())?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        IS_OPEN.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode().and_then(|()| {
            execute!(
                io::stdout(),
                EnterAlternateScreen,
                EnableMouseCapture,
                EnableBracketedPaste,
                cursor::Hide
            )
        });
        if let Err(error) = taken {
            give_back();
            return Err(error);
        }
        Ok(Self {
            terminal,
            input: keyboard(),
            terminate,
            hang_up,
        })
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Whether it is still ours.
    pub(crate) fn is_open() -> bool {
        IS_OPEN.load(Ordering::SeqCst)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Keys, mouse and sizes, read on a thread of its own: reading blocks, and ends with the process.
fn keyboard() -> mpsc::UnboundedReceiver<event::Event> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

fn give_back() {
    if !IS_OPEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Nothing can be done about a terminal that is gone.
    let _ = execute!(
        io::stdout(),
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}
