//! `sslight watch`: a run from another terminal. Nothing in the run folder is changed.

mod follow;
mod graphs;
mod log;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use sslight_core::fsio::WithPath;
use sslight_core::observe::{Observer, RunEvent, StartInfo, StopHandle};

use crate::args::WatchArgs;
use crate::exit::{CliError, Outcome};
use crate::ui::{self, dashboard};
use follow::{Follower, event_of};
use log::Logged;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks whether to end.
const PART: Duration = Duration::from_millis(100);

/// Shows a run until it ends or the user leaves.
pub fn run(args: &WatchArgs) -> Result<Outcome, CliError> {
    let mut follower = Follower::of(&args.run)?;
    let stop = StopHandle::new();
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if !asked.request() {
            dashboard::leave();
            std::process::exit(0);
        }
    })
    .map_err(|error| CliError::Usage(format!("interrupts cannot be handled here: {error}")))?;
    if args.json {
        pass_on(&mut follower, args.once, &stop)?;
    } else if args.once {
        once(&mut follower)?;
    } else if args.plain || !dashboard::is_possible() {
        lines(&mut follower, &stop)?;
    } else {
        graphs::show(&mut follower, &stop)?;
    }
    Ok(Outcome::Done)
}

/// Waits for the next look; says whether there is to be one.
fn wait(stop: &StopHandle) -> bool {
    for _ in 0..PAUSE.as_millis() / PART.as_millis() {
        if stop.is_requested() {
            return false;
        }
        std::thread::sleep(PART);
    }
    !stop.is_requested()
}

/// The lines of the metrics as they are.
fn pass_on(follower: &mut Follower, once: bool, stop: &StopHandle) -> Result<(), CliError> {
    loop {
        let came = follower.look()?;
        if came.restarted {
            ui::note(
                "the run was continued at an earlier step; its lines come again from the first one",
            );
        }
        let mut output = std::io::stdout().lock();
        for (_, text) in &came.lines {
            match writeln!(output, "{text}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.on(Path::new("standard output"), "write")?,
            }
        }
        drop(output);
        if came.more {
            continue;
        }
        if once {
            return Ok(());
        }
        if follower.is_over() {
            ui::note(&follower.sentence());
            return Ok(());
        }
        if !wait(stop) {
            return Ok(());
        }
    }
}

/// What was last told of a run.
#[derive(Default)]
struct Last {
    start: Option<StartInfo>,
    step: Option<RunEvent>,
    epoch: Option<RunEvent>,
    end: Option<RunEvent>,
}

impl Last {
    /// Reads all that is there.
    fn read(follower: &mut Follower) -> Result<Self, CliError> {
        let mut last = Self::default();
        loop {
            let came = follower.look()?;
            for logged in came.logged {
                if let Logged::Start(start) = logged {
                    last.start = Some(*start);
                }
            }
            if came.restarted {
                (last.step, last.epoch, last.end) = (None, None, None);
            }
            for (_, text) in &came.lines {
                match event_of(text, last.start.as_ref()) {
                    Some(event @ RunEvent::Step(_)) => last.step = Some(event),
                    Some(event @ RunEvent::Epoch(_)) => last.epoch = Some(event),
                    Some(event @ RunEvent::Finished(_)) => last.end = Some(event),
                    _ => {}
                }
            }
            if !came.more {
                return Ok(last);
            }
        }
    }

    fn show(self, progress: &mut ui::Progress) {
        let start = self.start.map(RunEvent::Start);
        for event in [start, self.epoch, self.step, self.end]
            .into_iter()
            .flatten()
        {
            progress.on_event(&event);
        }
    }
}

/// How the run stands.
fn once(follower: &mut Follower) -> Result<(), CliError> {
    Last::read(follower)?.show(&mut ui::Progress::lines());
    ui::say(&follower.sentence());
    Ok(())
}

/// How the run stands, and lines as they come.
fn lines(follower: &mut Follower, stop: &StopHandle) -> Result<(), CliError> {
    let mut progress = ui::Progress::lines();
    let last = Last::read(follower)?;
    let mut start = last.start.clone();
    last.show(&mut progress);
    while !follower.is_over() {
        if !wait(stop) {
            return Ok(());
        }
        let mut came = follower.look()?;
        for logged in came.logged.drain(..) {
            match logged {
                Logged::Start(new) => {
                    progress.on_event(&RunEvent::Start((*new).clone()));
                    start = Some(*new);
                }
                Logged::Said(level, text) => {
                    let notice = sslight_core::observe::Notice { level, text };
                    progress.on_event(&RunEvent::Notice(notice));
                }
            }
        }
        if came.restarted {
            // What is left of the metrics was shown when it came.
            came.lines.clear();
            while came.more {
                came = follower.look()?;
                came.lines.clear();
            }
        }
        for (_, text) in &came.lines {
            match event_of(text, start.as_ref()) {
                Some(event) => progress.on_event(&event),
                None => ui::say(text),
            }
        }
    }
    ui::say(&follower.sentence());
    Ok(())
}
