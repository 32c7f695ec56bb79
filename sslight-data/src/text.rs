//! Names and reasons as text that is safe to print, whatever a file holds.

use std::fmt::{Display, Write as _};
use std::path::Path;

/// Characters of a name or reason that are shown; the middle of longer ones is left out.
const MOST: usize = 600;

/// A name for people: bytes that are no UTF-8, and control characters, are written as `\\xFF`, so that two names never look
/// the same and none moves the cursor of a terminal.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            push(&mut text, letter);
        }
        for byte in chunk.invalid() {
            // Writing into a string cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

/// A path for people.
pub fn shown(path: &Path) -> String {
    shortened(printable(path.as_os_str().as_encoded_bytes()))
}

/// What another program or file says, as one line without control characters.
pub fn one_line(said: impl Display) -> String {
    let mut text = String::new();
    for letter in said.to_string().trim_end().chars() {
        match letter {
            '\n' | '\t' | '\r' => text.push(' '),
            letter => push(&mut text, letter),
        }
    }
    shortened(text)
}

fn push(text: &mut String, letter: char) {
    if letter.is_control() {
        let _ = write!(text, "\\x{:02X}", u32::from(letter));
    } else {
        text.push(letter);
    }
}

fn shortened(text: String) -> String {
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
    fn names_that_are_no_text_stay_apart() {
        assert_eq!(printable(b"caf\xc3\xa9"), "caf\u{e9}");
        assert_ne!(printable(b"a\xff"), printable(b"a\xfe"));
        assert_eq!(printable(b"a\xff.png"), "a\\xFF.png");
        assert_eq!(printable(b"\x1b[2J.png"), "\\x1B[2J.png");
    }

    #[test]
    fn what_is_said_is_one_line_of_bounded_length() {
        assert_eq!(one_line("two\nlines\0\n"), "two lines\\x00");
        let long = one_line("x".repeat(10_000));
        assert!(long.len() < MOST + 10 && long.contains(" ... "));
        assert!(shown(Path::new(&"y".repeat(10_000))).len() < MOST + 10);
    }
}
