//! `sslight list`.

use serde::Serialize;
use sslight_core::config::{Backbone, Method, NamedConfig, configs, sweeps};
use sslight_models::BackboneKind;

use crate::args::{ListArgs, Listing};
use crate::backend::engine_states;
use crate::exit::{CliError, Outcome};
use crate::ui;

/// A line of a list.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    /// Whether it can be used now.
    ready: bool,
    /// The state in words.
    state: String,
    /// What it is.
    detail: String,
    /// The verb that runs it, if there is a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<&'static str>,
}

/// Prints what there is, with its honest state.
pub fn run(args: &ListArgs) -> Result<Outcome, CliError> {
    let rows = match args.what {
        Listing::Methods => methods(),
        Listing::Backbones => backbones(),
        Listing::Configs => configurations(),
        Listing::Backends => backends(),
    };
    ui::show(args.output.json, &rows, || table(&rows))?;
    Ok(Outcome::Done)
}

fn table(rows: &[Row]) -> String {
    let name = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let state = rows.iter().map(|row| row.state.len()).max().unwrap_or(0);
    let mut verb = rows.first().and_then(|row| row.verb);
    let mut table = String::new();
    for row in rows {
        if row.verb != verb {
            verb = row.verb;
            let verb = verb.unwrap_or_default();
            table.push_str(&format!("\nfor `sslight {verb}`:\n"));
        }
        let line = format!("{:name$}  {:state$}  {}", row.name, row.state, row.detail);
        table.push_str(&format!("{}\n", line.trim_end()));
    }
    table
}

fn state(ready: bool) -> String {
    if ready {
        "ready"
    } else {
        "not yet in this build"
    }
    .to_owned()
}

fn methods() -> Vec<Row> {
    let all = Method::all().iter().map(|method| Row {
        name: method.word(),
        ready: true,
        state: state(true),
        detail: method.detail().to_owned(),
        verb: None,
    });
    all.collect()
}

fn backbones() -> Vec<Row> {
    let all = Backbone::all().iter().map(|backbone| {
        let kind = BackboneKind::from(*backbone);
        let ready = kind.is_available();
        let detail = format!(
            "{} parameters, {} features",
            ui::grouped(kind.parameters()),
            kind.features_dim()
        );
        Row {
            name: backbone.word(),
            ready,
            state: state(ready),
            detail,
            verb: None,
        }
    });
    all.collect()
}

fn configurations() -> Vec<Row> {
    let of = |verb: &'static str, list: &'static [NamedConfig]| {
        list.iter().map(move |config| Row {
            name: config.name,
            ready: true,
            state: state(true),
            detail: config.summary().to_owned(),
            verb: Some(verb),
        })
    };
    of("pretrain", configs())
        .chain(of("detect train", sslight_detect::training::configs()))
        .chain(of("sweep", sweeps()))
        .collect()
}

fn backends() -> Vec<Row> {
    let all = engine_states().into_iter().map(|engine| {
        let state = match (engine.built, engine.usable) {
            (true, true) => "ready",
            (true, false) => "built, but not usable here",
            (false, _) => "not in this build",
        };
        Row {
            name: engine.name,
            ready: engine.usable,
            state: state.to_owned(),
            detail: engine.detail,
            verb: None,
        }
    });
    all.collect()
}
