//! Text that is safe to print on one line, whatever a file or its name holds.

use std::fmt::{Display, Write as _};
use std::path::Path;

/// Characters that are shown; the middle of longer text is left out.
const MOST: usize = 600;

/// A path for people.
pub(crate) fn shown(path: &Path) -> String {
    one_line(path.to_string_lossy())
}

/// What a file or the system says, as one line without control characters.
pub(crate) fn one_line(said: impl Display) -> String {
    let mut text = String::new();
    for letter in said.to_string().trim_end().chars() {
        match letter {
            '\n' | '\t' | '\r' => text.push(' '),
            letter if letter.is_control() => {
                // Writing into a string cannot fail.
                let _ = write!(text, "\\x{:02X}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    let count = text.chars().count();
    if count <= MOST {
        return text;
    }
    let start: String = text.chars().take(MOST / 2).collect();
    let end: String = text.chars().skip(count - MOST / 2).collect();
    format!("{start} ... {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_bounded_line() {
        assert_eq!(one_line("two\nlines\0\n"), "two lines\\x00");
        assert_eq!(shown(Path::new("\x1b[2J.png")), "\\x1B[2J.png");
        let long = one_line("x".repeat(10_000));
        assert!(long.len() < MOST + 10 && long.contains(" ... "));
    }
}
