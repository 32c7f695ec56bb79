//! The terminal as a screen: taken over once, and always given back.

use std::io::{self, Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, TryLockError};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

static UP: AtomicBool = AtomicBool::new(false);
/// Held while something is drawn, so that nothing is drawn after the terminal was given back.
static DRAWING: Mutex<()> = Mutex::new(());
static HOOK: Once = Once::new();

/// The terminal, taken over.
pub struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal over. A panic anywhere gives it back before it is told.
    ///
    /// # Errors
    /// If the terminal does not let itself be taken.
    pub fn enter() -> io::Result<Self> {
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                next(panic);
            }));
        });
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        // Whoever gives the terminal back meanwhile waits until it is taken.
        let drawing = DRAWING.lock();
        UP.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode().and_then(|()| execute!(stdout(), EnterAlternateScreen));
        drop(drawing);
        if let Err(error) = taken {
            leave();
            return Err(error);
        }
        Ok(Self(terminal))
    }

    /// Takes the terminal over again, after the shell may have had it in between; without harm if it had not.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn again(&mut self) -> io::Result<()> {
        let _drawing = DRAWING.lock();
        if is_up() {
            // Only what was given back is taken again.
            disable_raw_mode()?;
            enable_raw_mode()?;
            execute!(stdout(), EnterAlternateScreen)?;
            self.0.clear()?;
        }
        Ok(())
    }

    /// Draws, unless the terminal was given back; says whether it did.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        let _drawing = DRAWING.lock();
        if is_up() {
            self.0.draw(draw)?;
        }
        Ok(is_up())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether the terminal is taken over.
pub fn is_up() -> bool {
    UP.load(Ordering::SeqCst)
}

/// Gives the terminal back, if it is taken over. May be called from anywhere, at any time.
pub fn leave() {
    if !UP.swap(false, Ordering::SeqCst) {
        return;
    }
    let _drawing = patiently();
    // Nothing can be done about a terminal that is gone.
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// Waits for what is being drawn, but not for long: it may be what panicked.
fn patiently() -> Option<MutexGuard<'static, ()>> {
    for _ in 0..20 {
        match DRAWING.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    None
}
