//! Colours, or what stands for them where there are to be none.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;

/// How things look.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    coloured: bool,
}

const CURVES: [Color; 4] = [Color::Cyan, Color::Yellow, Color::Magenta, Color::Green];
/// Curves without colours differ in their dots; each with a sign for the title.
const MARKERS: [(Marker, &str); 3] = [
    (Marker::Braille, "⠒"),
    (Marker::Dot, "•"),
    (Marker::Block, "█"),
];

impl Theme {
    /// With colours, or with none.
    pub fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn colour(self, colour: Color) -> Style {
        match self.coloured {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// A curve and its value in the title.
    pub fn curve(self, place: usize) -> Style {
        self.colour(CURVES[place % CURVES.len()])
    }

    /// The dots of a curve.
    pub fn marker(self, place: usize) -> Marker {
        match self.coloured {
            true => Marker::Braille,
            false => MARKERS[place % MARKERS.len()].0,
        }
    }

    /// What stands for the colour of a curve in the title, where it has none.
    pub fn sign(self, place: usize) -> &'static str {
        match self.coloured {
            true => "",
            false => MARKERS[place % MARKERS.len()].1,
        }
    }

    /// Headlines.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What matters less.
    pub fn quiet(self) -> Style {
        self.colour(Color::DarkGray)
    }

    /// Progress, and a run that runs.
    pub fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// Warnings.
    pub fn warning(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What is chosen.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
