//! Names and reasons as one line that is safe to print, whatever a file holds.

use std::fmt::Display;
use std::path::Path;

/// Characters that are shown; the middle of longer texts is left out.
const MOST: usize = 400;

/// A path for people: control characters and bytes that are no text are written out.
pub(crate) fn shown(path: &Path) -> String {
    let quoted = format!("{path:?}");
    let inner = quoted.strip_prefix('"').and_then(|s| s.strip_suffix('"'));
    shortened(inner.unwrap_or(&quoted))
}

/// What a file or another crate says, without line breaks and control characters.
pub(crate) fn one_line(said: impl Display) -> String {
    let mut line = String::new();
    for letter in said.to_string().trim_end().chars() {
        match letter {
            '\n' | '\r' | '\t' => line.push(' '),
            letter if letter.is_control() => line.extend(letter.escape_debug()),
            letter => line.push(letter),
        }
    }
    shortened(&line)
}

fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST / 2).collect();
    let end: String = text.chars().skip(count - MOST / 2).collect();
    format!("{start} ... {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_fills_the_screen() {
        assert_eq!(shown(Path::new("a b.json")), "a b.json");
        assert!(!shown(Path::new("a\u{1b}[2J\n.json")).contains(['\u{1b}', '\n']));
        assert_eq!(one_line("two\nlines\u{7}"), "two lines\\u{7}");
        assert!(one_line("x".repeat(9999)).len() < MOST + 10);
    }
}
