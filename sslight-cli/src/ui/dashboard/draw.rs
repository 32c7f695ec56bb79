//! The whole screen, for any size of it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, LineGauge, Paragraph, Wrap};
use sslight_core::observe::Level;

use super::graph;
use super::panels::short;
use super::state::{Leaving, State, View};
use super::theme::Theme;
use crate::ui::text::{duration, grouped};

/// A graph is not drawn smaller than that; the least important ones are left out instead.
const LEAST_COLUMNS: u16 = 36;
const LEAST_ROWS: u16 = 7;
/// Columns for each row of a graph that is pleasant to read; a character is twice as high as wide.
const GOOD_SHAPE: f64 = 4.0;
/// Below this size there is room for words only.
const LEAST_SCREEN: (u16, u16) = (30, 12);

/// Draws a run.
pub fn draw(frame: &mut Frame<'_>, state: &State, theme: Theme) {
    let area = frame.area();
    if area.width < LEAST_SCREEN.0 || area.height < LEAST_SCREEN.1 {
        return words(frame, area, state, theme);
    }
    let messages = match area.height {
        0..16 => 0,
        16..30 => 4,
        30..45 => 8,
        _ => 11,
    };
    let [head, tabs, body, said, keys] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(if state.view == View::Messages {
            0
        } else {
            messages
        }),
        Constraint::Length(1),
    ])
    .areas(area);
    header(frame, head, state, theme);
    frame.render_widget(tab_line(state, theme), tabs);
    let panels = state.panels.all();
    match state.view {
        View::Messages => messages_of(frame, body, state, theme),
        View::One(graph) if graph < panels.len() => {
            graph::draw(frame, body, &panels[graph], graph + 1, state.done, theme);
        }
        View::One(_) | View::All => grid(frame, body, state, theme),
    }
    messages_of(frame, said, state, theme);
    frame.render_widget(key_line(state, theme), keys);
    if state.asks {
        question(frame, area, theme);
    }
}

/// What fits where nothing fits.
fn words(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let mut lines = Vec::new();
    if state.asks {
        lines.push(Line::styled("stop? y / n", theme.warning()));
    }
    lines.push(Line::from(progress_text(state)));
    lines.push(Line::from(state.standing.text.as_str()));
    for panel in state.panels.all() {
        if let Some(value) = panel.curves.first().and_then(|curve| curve.series.last()) {
            lines.push(Line::from(format!("{} {}", panel.title, short(value))));
        }
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn header(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let [title, facts, progress] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
    let standing = Line::styled(
        state.standing.text.as_str(),
        if state.standing.runs {
            theme.good()
        } else {
            theme.warning()
        },
    );
    let width = u16::try_from(standing.width()).unwrap_or(u16::MAX);
    let [name, end] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(width)]).areas(title);
    frame.render_widget(standing, end);
    if let Some(start) = &state.start {
        let line = Line::from(vec![
            Span::styled(start.title.as_str(), theme.strong()),
            Span::raw("  "),
            Span::styled(start.backend.as_str(), theme.quiet()),
        ]);
        frame.render_widget(line, name);
        let line = match start.images {
            0 => start.out.display().to_string(),
            images => format!(
                "{}  {} images  {} parameters  {}",
                start.out.display(),
                grouped(images),
                grouped(start.parameters),
                start.data,
            ),
        };
        frame.render_widget(Line::styled(line, theme.quiet()), facts);
    }
    let ratio = match state.total() {
        Some(total) if total > 0 => (state.done as f64 / total as f64).clamp(0.0, 1.0),
        _ => 0.0,
    };
    let gauge = LineGauge::default()
        .label(progress_text(state))
        .ratio(ratio)
        .filled_symbol("━")
        .unfilled_symbol("┄")
        .filled_style(theme.good())
        .unfilled_style(theme.quiet());
    frame.render_widget(gauge, progress);
}

fn progress_text(state: &State) -> String {
    let mut text = format!("step {}", grouped(state.done));
    let Some(start) = &state.start else {
        return text;
    };
    let total = start.total_steps;
    if total == 0 {
        return text;
    }
    text.push_str(&format!("/{}", grouped(total)));
    text.push_str(&format!("  {} %", 100 * state.done.min(total) / total));
    let epoch = (state.done / start.steps_per_epoch.max(1) + 1).min(start.epochs);
    text.push_str(&format!("  epoch {epoch}/{}", start.epochs));
    if state.standing.runs
        && let Some(left) = state.left()
    {
        text.push_str(&format!("  ETA {}", duration(left)));
    }
    text
}

fn tab_line<'a>(state: &'a State, theme: Theme) -> Line<'a> {
    let mut spans = Vec::new();
    let mut tab = |name: String, view: View| {
        let style = if state.view == view {
            theme.chosen()
        } else {
            theme.quiet()
        };
        spans.push(Span::styled(format!(" {name} "), style));
    };
    tab("0 all".to_owned(), View::All);
    for (place, panel) in state.panels.all().iter().enumerate() {
        tab(format!("{} {}", place + 1, panel.title), View::One(place));
    }
    tab("m messages".to_owned(), View::Messages);
    Line::from(spans)
}

fn key_line(state: &State, theme: Theme) -> Line<'static> {
    let leave = match state.leaving {
        Leaving::Stops => "q stop with a checkpoint",
        Leaving::Leaves => "q leave, the run goes on",
    };
    let text = format!(" {leave}   0-9 m tab ◂ ▸ choose what is shown");
    Line::styled(text, theme.quiet())
}

/// How many graphs are shown in how many columns: as many as there is room for, in a good shape.
pub(super) fn arrange(graphs: usize, width: u16, height: u16) -> (usize, usize) {
    let most_columns = usize::from((width / LEAST_COLUMNS).max(1));
    let most_rows = usize::from((height / LEAST_ROWS).max(1));
    let shown = graphs.min(most_columns * most_rows).max(1);
    let unlike = |columns: usize| {
        let rows = shown.div_ceil(columns) as f64;
        let shape = (f64::from(width) / columns as f64) / (f64::from(height).max(1.0) / rows);
        (shape / GOOD_SHAPE).ln().abs()
    };
    let columns = (1..=most_columns.min(shown))
        .filter(|columns| shown.div_ceil(*columns) <= most_rows)
        .min_by(|one, other| unlike(*one).total_cmp(&unlike(*other)));
    (shown, columns.unwrap_or(1))
}

/// As many graphs as there is room for, in equal parts.
fn grid(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let panels = state.panels.all();
    if panels.is_empty() {
        let text = Line::styled("waiting for the first step", theme.quiet()).centered();
        frame.render_widget(text, area);
        return;
    }
    let (shown, columns) = arrange(panels.len(), area.width, area.height);
    let rows = shown.div_ceil(columns);
    let rows = Layout::vertical(vec![Constraint::Fill(1); rows]).split(area);
    for (index, row) in panels[..shown].chunks(columns).enumerate() {
        let cells = Layout::horizontal(vec![Constraint::Fill(1); row.len()]).split(rows[index]);
        for (place, panel) in row.iter().enumerate() {
            let number = index * columns + place + 1;
            graph::draw(frame, cells[place], panel, number, state.done, theme);
        }
    }
}

/// The last messages that fit, below a line with a name.
fn messages_of(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(theme.quiet())
        .title(Span::styled(" messages ", theme.quiet()));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.is_empty() {
        return;
    }
    let lines = state.messages.iter().map(|(level, text)| match level {
        Level::Info => Line::from(text.as_str()),
        Level::Warning => Line::from(vec![
            Span::styled("warning: ", theme.warning()),
            Span::from(text.as_str()),
        ]),
    });
    // From the last one up, as far as there is room.
    let width = usize::from(inner.width);
    let wraps = state.view == View::Messages;
    let rows = |line: &Line<'_>| {
        if wraps {
            line.width().div_ceil(width).max(1)
        } else {
            1
        }
    };
    let mut room = usize::from(inner.height);
    let mut shown: Vec<Line<'_>> = lines
        .rev()
        .take_while(|line| {
            let fits = rows(line) <= room;
            room = room.saturating_sub(rows(line));
            fits
        })
        .collect();
    shown.reverse();
    let paragraph = Paragraph::new(shown);
    let paragraph = if wraps {
        paragraph.wrap(Wrap { trim: false })
    } else {
        paragraph
    };
    frame.render_widget(paragraph, inner);
}

fn question(frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let text = "Stop after this step, with a checkpoint?   y / n";
    let (width, height) = (area.width.min(text.len() as u16 + 4), area.height.min(3));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let block = Block::bordered().border_style(theme.warning());
    frame.render_widget(Paragraph::new(text).centered().block(block), place);
}
