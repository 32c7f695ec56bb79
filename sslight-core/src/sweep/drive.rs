//! The points of a sweep, one after the other.

use super::folder::{SweepFolder, refuse_another};
use super::{Board, Point, State, Sweep, SweepError};
use crate::observe::{End, StopHandle, Summary};
use crate::run::{RunError, RunRecord, Standing, standing};

/// What a sweep tells while it goes on.
#[derive(Debug)]
pub enum Told<'a> {
    /// A point is finished already; its result is taken over.
    Reused(&'a Point),
    /// A run begins or continues: its point, and its place among all runs, from 1.
    Begins(&'a Point, usize),
    /// A run failed; the others go on.
    Failed(&'a Point, &'a RunError),
}

/// Runs every point that is not finished, in order, and writes the tables and the plot after each of them.
///
/// All folders are looked at first, so that what must be refused is refused before anything runs. `train` trains one
/// configuration and returns [`End::Interrupted`] when a stop was asked for, which ends the sweep too.
///
/// # Errors
/// If a folder holds something else or a point of another configuration, or if the tables cannot be written. A run
/// that fails is no error here, but a [`State::Failed`].
pub fn drive<'a>(
    sweep: &'a Sweep,
    stop: &StopHandle,
    train: &mut dyn FnMut(&'a Point) -> Result<Summary, RunError>,
    tell: &mut dyn FnMut(Told<'_>),
) -> Result<Board<'a>, SweepError> {
    let folder = SweepFolder::open(sweep)?;
    let mut board = survey(sweep)?;
    folder.keep_copy(sweep)?;
    folder.publish(&board)?;
    for (index, point) in sweep.runs().enumerate() {
        if board.record(point).is_some() {
            tell(Told::Reused(point));
            continue;
        }
        if stop.is_requested() {
            break;
        }
        tell(Told::Begins(point, index + 1));
        let state = after(point, train(point));
        if let State::Failed(error) = &state {
            tell(Told::Failed(point, error));
        }
        let interrupted = matches!(state, State::Unfinished);
        board.set(point, state);
        folder.publish(&board)?;
        if interrupted {
            break;
        }
    }
    Ok(board)
}

/// Looks at the folders of a sweep without changing anything.
///
/// # Errors
/// If a folder holds something else, or a point of another configuration.
pub fn survey(sweep: &Sweep) -> Result<Board<'_>, SweepError> {
    refuse_another(sweep)?;
    let mut board = Board::new(sweep);
    for point in sweep.runs() {
        let state = match standing(&point.resolved.config)? {
            Standing::New => State::Waiting,
            Standing::Unfinished => State::Unfinished,
            Standing::Finished(record) => State::Finished(record),
        };
        board.set(point, state);
    }
    Ok(board)
}

/// The state of a point whose run has ended.
fn after(point: &Point, ended: Result<Summary, RunError>) -> State {
    let record = ended.and_then(|summary| {
        if summary.end == End::Interrupted {
            return Ok(None);
        }
        // The summary in the file has the last epoch beside it.
        let record = RunRecord::read(&point.resolved.config.out_dir())?;
        let read = record.unwrap_or(RunRecord {
            summary,
            epoch: None,
        });
        Ok(Some(read))
    });
    match record {
        Ok(Some(record)) => State::Finished(Box::new(record)),
        Ok(None) => State::Unfinished,
        Err(error) if error.is_interruption() => State::Unfinished,
        Err(error) => State::Failed(error),
    }
}
