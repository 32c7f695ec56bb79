//! Results as text: for the terminal, as Markdown, as comma-separated values.

use crate::text::csv_cell;

/// Rows of one kind, as text.
pub(super) struct Table {
    /// The head and a line a row.
    pub(super) lines: Vec<Vec<String>>,
    /// The first column of numbers, which stand right.
    pub(super) numbers: usize,
    /// How each row was measured.
    pub(super) protocols: Vec<String>,
}

/// Tables below each other.
pub(super) fn joined(tables: &[Table], text: impl Fn(&Table) -> String) -> String {
    tables.iter().map(text).collect::<Vec<_>>().join("\n")
}

impl Table {
    pub(super) fn text(&self) -> String {
        let lines = &self.lines;
        let columns = lines.first().map_or(0, Vec::len);
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
        let mut text = String::new();
        for line in lines {
            let cells = line
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if column >= self.numbers {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                });
            let cells: Vec<String> = cells.collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if index == 0 {
                let rule = |column| match column >= self.numbers {
                    true => "---:",
                    false => "---",
                };
                let rules: Vec<&str> = (0..line.len()).map(rule).collect();
                text.push_str(&format!("| {} |\n", rules.join(" | ")));
            }
        }
        text
    }

    pub(super) fn csv(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            let last = match index {
                0 => "protocol",
                row => self.protocols[row - 1].as_str(),
            };
            let cells: Vec<String> = line
                .iter()
                .map(String::as_str)
                .chain([last])
                .map(csv_cell)
                .collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }
}

/// The head and a line a row.
pub(super) fn lines(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let head = head.iter().map(ToString::to_string).collect();
    std::iter::once(head).chain(rows).collect()
}
