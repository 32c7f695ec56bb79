//! Text of a file in a message.

/// Characters that are shown of a text at most.
const MOST: usize = 120;

/// Text that a file holds, as a message shows it: short, and without characters that move a terminal's cursor or begin a
/// new line.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MOST)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_short_line() {
        assert_eq!(shown("features.0.0.weight"), "features.0.0.weight");
        assert_eq!(shown("a\u{1b}[2J\nb"), "a\u{fffd}[2J\u{fffd}b");
        let long = "é".repeat(MOST);
        assert_eq!(shown(&long), long);
        assert_eq!(shown(&format!("{long}é")), format!("{long}..."));
    }
}
