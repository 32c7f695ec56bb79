//! A run that is followed, on the dashboard.

use sslight_core::observe::{Level, RunEvent, StopHandle};
use sslight_report::Line;

use super::follow::{Follower, Life, event_of};
use super::log::Logged;
use super::wait;
use crate::exit::CliError;
use crate::ui;
use crate::ui::dashboard::{Dashboard, Leaving, Standing, line_numbers};

/// Shows a run until the user leaves, whether it ends, stops or goes on.
pub fn show(follower: &mut Follower, stop: &StopHandle) -> Result<(), CliError> {
    let dashboard = Dashboard::new(Leaving::Leaves, stop.clone());
    let outcome = feed(&dashboard, follower, stop);
    dashboard.close();
    outcome?;
    ui::say(&follower.sentence());
    Ok(())
}

fn feed(dashboard: &Dashboard, follower: &mut Follower, stop: &StopHandle) -> Result<(), CliError> {
    let mut start = None;
    let mut is_history = true;
    let mut shown = None;
    dashboard.standing(Standing {
        text: follower.words(),
        runs: *follower.life() == Life::Trained,
    });
    loop {
        let came = follower.look()?;
        if came.restarted {
            dashboard.forget();
            is_history = true;
        }
        for logged in came.logged {
            match logged {
                Logged::Start(mut new) => {
                    // As this process calls it.
                    new.out = follower.unknown_start().out;
                    dashboard.start((*new).clone());
                    start = Some(*new);
                }
                Logged::Said(level, text) => dashboard.say(level, text),
            }
        }
        if start.is_none() {
            let unknown = follower.unknown_start();
            dashboard.start(unknown.clone());
            start = Some(unknown);
        }
        for (line, text) in &came.lines {
            if let Some(numbers) = line_numbers(line, is_history) {
                dashboard.numbers(numbers);
            }
            if !matches!(line, Line::Step(_))
                && let Some(event) = event_of(text, start.as_ref())
            {
                say(
                    dashboard,
                    &event,
                    start.as_ref().map_or(0, |start| start.epochs),
                );
            }
        }
        if came.more {
            continue;
        }
        is_history = false;
        let life = follower.life().clone();
        if (life == Life::Trained || follower.is_over()) && shown.as_ref() != Some(&life) {
            dashboard.standing(Standing {
                text: follower.words(),
                runs: life == Life::Trained,
            });
            if life == Life::Stopped {
                dashboard.say(Level::Warning, follower.sentence());
            }
            shown = Some(life);
        }
        if !wait(stop) {
            return Ok(());
        }
    }
}

fn say(dashboard: &Dashboard, event: &RunEvent, epochs: usize) {
    if let Some((level, text)) = ui::dashboard::message_of(event, epochs) {
        dashboard.say(level, text);
    }
}
