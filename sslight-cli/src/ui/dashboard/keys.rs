//! What is typed.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::{Message, screen};

/// Time between two looks whether the one who waits for keys is still wanted.
const KEY_PAUSE: Duration = Duration::from_millis(250);

/// Passes on keys until the terminal is given back. For a thread of its own, which nobody waits for: reading keys does not return
/// from a terminal that was closed.
pub(super) fn wait(to: &SyncSender<Message>) {
    while screen::is_up() {
        let message = match event::poll(KEY_PAUSE) {
            Ok(false) => continue,
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Message::Key(key),
                Ok(Event::Resize(..)) => Message::Resized,
                Ok(_) => continue,
                Err(_) => return,
            },
            Err(_) => return,
        };
        if to.send(message).is_err() {
            return;
        }
    }
}
