//! What the dashboard knows of a run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sslight_core::observe::{Level, StartInfo};

use super::panels::Panels;
use crate::ui::text::time_left;

/// Messages that are kept.
const MOST_MESSAGES: usize = 500;

/// What is shown of the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As many graphs as there is room for.
    All,
    /// One graph, by its place.
    One(usize),
    /// The messages.
    Messages,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// In words.
    pub text: String,
    /// Whether a process trains.
    pub runs: bool,
}

/// Numbers of a step or an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The step that they are drawn at.
    pub step: usize,
    /// Steps taken by then.
    pub done: usize,
    /// Numbers by key.
    pub values: Vec<(String, f64)>,
    /// Whether they are of before somebody looked: they say nothing of the pace.
    pub is_history: bool,
}

/// Everything that is drawn.
#[derive(Debug)]
pub struct State {
    /// What the run is, when it is known.
    pub start: Option<StartInfo>,
    /// How it stands.
    pub standing: Standing,
    /// Steps taken.
    pub done: usize,
    /// The graphs.
    pub panels: Panels,
    /// What was said, the latest last.
    pub messages: VecDeque<(Level, String)>,
    /// What is shown.
    pub view: View,
    /// Whether it is being asked if the run is to be stopped.
    pub asks: bool,
    /// What leaving means, as a hint.
    pub leaving: Leaving,
    pace: Option<(Instant, usize)>,
    latest: Instant,
}

/// What the key `q` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It stops the run, after a question.
    Stops,
    /// It ends the display; the run goes on.
    Leaves,
}

impl State {
    /// Nothing is known yet.
    pub fn new(leaving: Leaving) -> Self {
        Self {
            start: None,
            standing: Standing {
                text: "training".to_owned(),
                runs: true,
            },
            done: 0,
            panels: Panels::default(),
            messages: VecDeque::new(),
            view: View::All,
            asks: false,
            leaving,
            pace: None,
            latest: Instant::now(),
        }
    }

    /// A part of the run starts.
    pub fn start(&mut self, start: StartInfo) {
        self.done = self.done.max(start.first_step);
        self.pace = None;
        self.start = Some(start);
    }

    /// Forgets all numbers: they are told again.
    pub fn forget(&mut self) {
        self.panels = Panels::default();
        self.done = 0;
        self.pace = None;
    }

    /// Takes numbers in.
    pub fn numbers(&mut self, numbers: &Numbers) {
        self.done = self.done.max(numbers.done);
        if !numbers.is_history {
            self.latest = Instant::now();
            self.pace.get_or_insert((self.latest, self.done));
        }
        for (key, value) in &numbers.values {
            self.panels.push(key, numbers.step as f64, *value);
        }
    }

    /// Takes a message in.
    pub fn message(&mut self, level: Level, text: String) {
        if self.messages.len() == MOST_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back((level, text));
    }

    /// Steps of the whole run, when they are known.
    pub fn total(&self) -> Option<usize> {
        self.start.as_ref().map(|start| start.total_steps)
    }

    /// The time that the steps left will take, as far as the pace is known.
    pub fn left(&self) -> Option<Duration> {
        let (since, first) = self.pace?;
        let taken = self.done - first;
        let at_report = time_left(self.latest - since, taken, self.done, self.total()?)?;
        Some(at_report.saturating_sub(self.latest.elapsed()))
    }

    /// Shows the next or the previous of: all graphs, each graph, the messages.
    pub fn turn(&mut self, back: bool) {
        let graphs = self.panels.all().len();
        let places = graphs + 2;
        let at = match self.view {
            View::All => 0,
            View::One(graph) => graph.min(graphs) + 1,
            View::Messages => graphs + 1,
        };
        let next = if back { at + places - 1 } else { at + 1 } % places;
        self.view = match next {
            0 => View::All,
            last if last == graphs + 1 => View::Messages,
            graph => View::One(graph - 1),
        };
    }

    /// Shows one graph, if it is there.
    pub fn enlarge(&mut self, graph: usize) {
        if graph < self.panels.all().len() {
            self.view = View::One(graph);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_goes_through_everything_and_around() {
        let mut state = State::new(Leaving::Leaves);
        for key in ["loss", "lr"] {
            state.panels.push(key, 0.0, 1.0);
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(state.view);
            state.turn(false);
        }
        assert_eq!(
            seen,
            [View::All, View::One(0), View::One(1), View::Messages]
        );
        assert_eq!(state.view, View::All);
        state.turn(true);
        assert_eq!(state.view, View::Messages);
        state.enlarge(7);
        assert_eq!(state.view, View::Messages);
    }

    #[test]
    fn history_says_nothing_of_the_pace_and_can_be_forgotten() {
        let mut state = State::new(Leaving::Leaves);
        let numbers = |step, is_history| Numbers {
            step,
            done: step + 1,
            values: vec![("loss".to_owned(), 1.0)],
            is_history,
        };
        state.numbers(&numbers(10, true));
        assert!(state.pace.is_none() && state.done == 11);
        state.numbers(&numbers(20, false));
        assert_eq!(state.pace.map(|(_, first)| first), Some(21));
        assert_eq!(state.left(), None);
        state.forget();
        assert!(state.done == 0 && state.panels.all().is_empty());
    }
}
