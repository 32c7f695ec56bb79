//! A run as graphs on the whole terminal, for the one who trains and for the one who watches.
//!
//! One thread draws what it is told through a channel, on which it sleeps; another waits for keys. Nothing waits for either.

mod draw;
mod feed;
mod graph;
mod keys;
mod panels;
mod screen;
mod series;
mod state;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod theme;

use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sslight_core::observe::{Level, StartInfo, StopHandle};

pub use feed::{Events, Metrics, line_numbers, message_of};
use screen::Screen;
pub use screen::leave;
pub use state::{Leaving, Numbers, Standing};
use state::{State, View};
use theme::Theme;

/// Time between two drawings, unless a key is pressed.
const PAUSE: Duration = Duration::from_millis(500);
/// Time after which it is drawn without news, since the time that is left passes.
const QUIET_PAUSE: Duration = Duration::from_secs(2);
/// Time without a drawing after which the process was probably stopped and continued, and the shell had the terminal.
const STOPPED: Duration = Duration::from_secs(5);

/// Messages that wait for a terminal that takes nothing; what training has to tell beyond them is not shown.
const WAITING: usize = 4096;
/// How long its end is waited for.
const END: Duration = Duration::from_secs(2);

/// What the dashboard is told.
enum Message {
    Start(Box<StartInfo>),
    Numbers(Numbers),
    Said(Level, String),
    /// Said, and not printed since the terminal is taken: to be printed at the end.
    Unprinted(Level, String),
    Standing(Standing),
    Forget,
    Key(KeyEvent),
    Resized,
    Close,
}

/// Where warnings go while the terminal is taken.
static CURRENT: Mutex<Option<SyncSender<Message>>> = Mutex::new(None);

/// A dashboard. Closed when dropped.
pub struct Dashboard {
    sender: SyncSender<Message>,
    thread: Option<JoinHandle<Vec<(Level, String)>>>,
}

/// Whether there is a terminal for a dashboard.
pub fn is_possible() -> bool {
    std::io::stdout().is_terminal()
}

impl Dashboard {
    /// A dashboard that takes the terminal over when a run starts, and asks for a stop by `stop`.
    pub fn new(leaving: Leaving, stop: StopHandle) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        let keys = sender.clone();
        let thread = named("dashboard", move || {
            let mut shown = Shown {
                state: State::new(leaving),
                stop,
                unprinted: Vec::new(),
            };
            if let Err(error) = shown.run(&receiver, keys) {
                let text = format!("the dashboard ended, and the run did not: {error}");
                shown.unprinted.push((Level::Warning, text));
            }
            shown.unprinted
        });
        Self { sender, thread }
    }

    /// One who passes on what a run tells.
    pub fn events(&self) -> Events {
        Events::new(self.sender.clone())
    }

    /// One who passes on what burn-train's learner measures.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self.sender.clone())
    }

    /// Says what the run is.
    pub fn start(&self, start: StartInfo) {
        self.send(Message::Start(Box::new(start)));
    }

    /// Adds numbers.
    pub fn numbers(&self, numbers: Numbers) {
        self.send(Message::Numbers(numbers));
    }

    /// Adds a message.
    pub fn say(&self, level: Level, text: String) {
        self.send(Message::Said(level, text));
    }

    /// Says how the run stands.
    pub fn standing(&self, standing: Standing) {
        self.send(Message::Standing(standing));
    }

    /// Forgets all numbers.
    pub fn forget(&self) {
        self.send(Message::Forget);
    }

    fn send(&self, message: Message) {
        // Its thread has ended if the terminal is gone, and there is nobody to tell.
        let _ = self.sender.send(message);
    }

    /// Gives the terminal back, and prints what could not be printed before.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        let begun = Instant::now();
        let mut told = false;
        while !thread.is_finished() && begun.elapsed() < END {
            told = told || self.sender.try_send(Message::Close).is_ok();
            std::thread::sleep(Duration::from_millis(2));
        }
        // A terminal that takes nothing keeps its thread for ever.
        let unprinted = match thread.is_finished() {
            true => thread.join().unwrap_or_default(),
            false => Vec::new(),
        };
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for (level, text) in unprinted {
            match level {
                Level::Info => super::note(&text),
                Level::Warning => super::warn(&text),
            }
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.end();
    }
}

/// Shows on the dashboard what would be printed, if there is one; says whether printing it has to wait.
pub fn hears(level: Level, text: &str) -> bool {
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(sender) = &*current else {
        return false;
    };
    let text = text.to_owned();
    if screen::is_up() {
        sender.try_send(Message::Unprinted(level, text)).is_ok()
    } else {
        let _ = sender.try_send(Message::Said(level, text));
        false
    }
}

/// A thread that is found by its name. None if the system has no room for one: the run goes on unseen.
fn named<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<JoinHandle<T>> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(work).ok()
}

/// What the thread that draws holds.
struct Shown {
    state: State,
    stop: StopHandle,
    unprinted: Vec<(Level, String)>,
}

impl Shown {
    fn run(
        &mut self,
        receiver: &Receiver<Message>,
        to: SyncSender<Message>,
    ) -> std::io::Result<()> {
        while self.state.start.is_none() {
            match receiver.recv() {
                Ok(Message::Close) | Err(_) => return Ok(()),
                Ok(message) => {
                    self.take(message);
                }
            }
        }
        let mut screen = Screen::enter()?;
        named("dashboard-keys", move || keys::wait(&to));
        let theme = Theme::new(super::colours_wanted());
        let mut last = Instant::now();
        loop {
            self.notice_stop();
            if last.elapsed() > STOPPED {
                screen.again()?;
            }
            if !screen.draw(|frame| draw::draw(frame, &self.state, theme))? {
                return Ok(());
            }
            last = Instant::now();
            let mut pause = QUIET_PAUSE;
            loop {
                let left = pause.saturating_sub(last.elapsed());
                match receiver.recv_timeout(left) {
                    Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Ok(message) => pause = pause.min(self.take(message)),
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
        }
    }

    /// Takes a message in, and says how soon it is to be seen.
    fn take(&mut self, message: Message) -> Duration {
        match message {
            Message::Start(start) => self.state.start(*start),
            Message::Numbers(numbers) => self.state.numbers(&numbers),
            Message::Said(level, text) => self.state.message(level, text),
            Message::Unprinted(level, text) => {
                self.unprinted.push((level, text.clone()));
                self.state.message(level, text);
            }
            Message::Standing(standing) => self.state.standing = standing,
            Message::Forget => self.state.forget(),
            Message::Key(key) => {
                self.key(key);
                return Duration::ZERO;
            }
            Message::Resized => return Duration::ZERO,
            Message::Close => {}
        }
        PAUSE
    }

    fn key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let asks = std::mem::take(&mut self.state.asks);
        match key.code {
            // The terminal sends no signal while it is raw.
            KeyCode::Char('c') if control => self.interrupt(),
            KeyCode::Char('y' | 'Y') if asks => {
                self.ask_to_stop();
            }
            _ if asks => {}
            KeyCode::Char('q') => match self.state.leaving {
                Leaving::Stops if self.stop.is_requested() => {}
                Leaving::Stops => self.state.asks = true,
                Leaving::Leaves => {
                    self.ask_to_stop();
                }
            },
            KeyCode::Char('0') | KeyCode::Esc => self.state.view = View::All,
            KeyCode::Char('m') => self.state.view = View::Messages,
            KeyCode::Char(digit @ '1'..='9') => {
                self.state.enlarge(digit as usize - '1' as usize);
            }
            KeyCode::Tab | KeyCode::Right => self.state.turn(false),
            KeyCode::BackTab | KeyCode::Left => self.state.turn(true),
            _ => {}
        }
    }

    fn ask_to_stop(&mut self) -> bool {
        let is_first = self.stop.request();
        self.notice_stop();
        is_first
    }

    /// A stop may be asked for by a signal as well.
    fn notice_stop(&mut self) {
        if self.state.leaving == Leaving::Stops && self.stop.is_requested() {
            self.state.standing = Standing {
                text: "stopping after this step".to_owned(),
                runs: false,
            };
        }
    }

    /// As an interrupt where there is no dashboard: the second one ends the program.
    fn interrupt(&mut self) {
        if !self.ask_to_stop() {
            leave();
            std::process::exit(130);
        }
        if self.state.leaving == Leaving::Stops {
            let text = crate::train::STOPPING.to_owned();
            self.state.message(Level::Warning, text);
        }
    }
}
