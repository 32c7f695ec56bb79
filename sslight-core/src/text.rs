//! Text as other programs read it.

/// A cell of comma-separated values (RFC 4180): one that holds what separates cells stands in quotes, with its own
/// quotes doubled.
pub(crate) fn csv_cell(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
