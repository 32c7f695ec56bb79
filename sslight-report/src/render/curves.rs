//! The plots of a page, and what they show in words for those who do not see it drawn.

use super::html::Html;
use super::number::shown;
use super::plots::{LOSS, NOT_DRAWN, OTHER, PLOTS, Plot, Source};
use super::spectrum;
use crate::history::History;
use crate::page::RunPage;
use crate::series::Series;

/// A plot of this page: those of its series that some run has.
pub(super) struct Drawn {
    /// What is known of it; nothing of keys that no plot names.
    pub plot: Option<&'static Plot>,
    /// The heading.
    pub title: String,
    /// What it shows.
    pub series: Vec<DrawnSeries>,
}

/// A series of a plot.
pub(super) struct DrawnSeries {
    source: Source,
    key: String,
    /// Its name within the plot.
    pub label: String,
}

impl DrawnSeries {
    /// The name in the data of a run.
    pub fn id(&self) -> String {
        let source = match self.source {
            Source::Step => "step",
            Source::Epoch => "epoch",
        };
        format!("{source}:{}", self.key)
    }

    /// Its values in a run that has some.
    pub fn of<'a>(&self, history: &'a History) -> Option<&'a Series> {
        of_source(history, self.source)
            .iter()
            .find(|series| series.key == self.key)
            .filter(|series| series.finite().next().is_some())
    }
}

fn of_source(history: &History, source: Source) -> &[Series] {
    match source {
        Source::Step => history.step_series(),
        Source::Epoch => history.epoch_series(),
    }
}

impl Drawn {
    fn group(&self) -> &str {
        self.plot.map_or(OTHER, |plot| plot.group)
    }

    fn hint(&self) -> &str {
        self.plot.map_or("As the run reports it.", |plot| plot.hint)
    }
}

/// The plots for which there is data, in the order of their groups.
pub(super) fn drawn(runs: &[RunPage]) -> Vec<Drawn> {
    let has = |source: Source, key: &str| {
        let series = runs.iter().flat_map(|run| of_source(&run.history, source));
        series
            .filter(|series| series.key == key)
            .any(|series| series.finite().next().is_some())
    };
    let mut all: Vec<Drawn> = PLOTS
        .iter()
        .map(|plot| Drawn {
            plot: Some(plot),
            title: plot.title.to_owned(),
            series: plot
                .series
                .iter()
                .filter(|(source, key, _)| has(*source, key))
                .map(|&(source, key, label)| DrawnSeries {
                    source,
                    key: key.to_owned(),
                    label: label.to_owned(),
                })
                .collect(),
        })
        .collect();
    for (source, key) in unnamed(runs) {
        if !has(source, &key) {
            continue;
        }
        let part_of_loss = source == Source::Step && key.starts_with("loss_");
        let at = all
            .iter()
            .position(|one| part_of_loss && one.plot.is_some_and(|plot| plot.id == LOSS));
        let series = DrawnSeries {
            source,
            label: key.replace('_', " "),
            key,
        };
        match at {
            Some(at) => all[at].series.push(series),
            None => all.push(Drawn {
                plot: None,
                title: match source {
                    Source::Step => series.label.clone(),
                    Source::Epoch => format!("{} over epochs", series.label),
                },
                series: vec![series],
            }),
        }
    }
    all.retain(|one| !one.series.is_empty());
    all
}

/// Keys of the metrics that no plot names.
fn unnamed(runs: &[RunPage]) -> Vec<(Source, String)> {
    let named = |source: Source, key: &str| {
        let known = PLOTS.iter().flat_map(|plot| plot.series);
        NOT_DRAWN.contains(&(source, key))
            || known
                .into_iter()
                .any(|series| (series.0, series.1) == (source, key))
    };
    let mut found = Vec::new();
    for source in [Source::Step, Source::Epoch] {
        for series in runs.iter().flat_map(|run| of_source(&run.history, source)) {
            let key = (source, series.key.clone());
            if !named(source, &series.key) && !found.contains(&key) {
                found.push(key);
            }
        }
    }
    found
}

/// The plots as figures, by group, each with its content in words where the script will draw.
pub(super) fn figures(plots: &[Drawn], runs: &[RunPage]) -> Html {
    let mut html = Html::default();
    let has_spectrum = runs.iter().any(|run| !run.history.spectra().is_empty());
    let mut open = None;
    for (index, plot) in plots.iter().enumerate() {
        if open != Some(plot.group()) {
            if open.is_some() {
                html.raw("</div>");
            }
            html.element("h3", plot.group())
                .raw("<div class=\"plots\">");
            open = Some(plot.group());
        }
        let unit = plot.plot.map_or("", |plot| plot.unit);
        figure_head(
            &mut html,
            &index.to_string(),
            [&plot.title, unit, plot.hint()],
        );
        words(&mut html, plot, runs);
        html.raw("</div></figure>");
        let last_of_features = plot.group() == spectrum::GROUP
            && plots.get(index + 1).map(Drawn::group) != Some(plot.group());
        if has_spectrum && last_of_features {
            html.append(&spectrum::figure());
        }
    }
    if open.is_some() {
        html.raw("</div>");
    }
    if has_spectrum && !plots.iter().any(|plot| plot.group() == spectrum::GROUP) {
        html.element("h3", spectrum::GROUP)
            .raw("<div class=\"plots\">");
        html.append(&spectrum::figure()).raw("</div>");
    }
    html
}

/// The start of a figure with its title, unit and hint, up to the place of the drawing.
pub(super) fn figure_head(html: &mut Html, id: &str, [title, unit, hint]: [&str; 3]) {
    html.raw("<figure class=\"plot\" data-plot=\"").text(id);
    html.raw("\"><figcaption><div class=\"plot-title\">");
    html.element("h4", title);
    html.raw("<span class=\"unit\">").text(unit).raw("</span>");
    html.raw("<div class=\"plot-tools\"></div></div>");
    html.raw("<p class=\"hint\">").text(hint).raw("</p>");
    html.raw("<div class=\"parts\"></div></figcaption><div class=\"canvas\">");
}

fn words(html: &mut Html, plot: &Drawn, runs: &[RunPage]) {
    html.raw("<ul class=\"words\">");
    for run in runs {
        for series in &plot.series {
            let Some(values) = series.of(&run.history) else {
                continue;
            };
            html.raw("<li>");
            if runs.len() > 1 {
                html.raw("<bdi>").text(&run.name).raw("</bdi>, ");
            }
            html.text(&series.label).raw(": ").text(&in_words(values));
            html.raw("</li>");
        }
    }
    html.raw("</ul>");
}

/// The course of a series as words: first, last, lowest, highest.
fn in_words(series: &Series) -> String {
    let place = |found: Option<(f64, f64)>| {
        found.map_or_else(String::new, |(step, value)| {
            format!("{} at step {}", shown(value), shown(step))
        })
    };
    let not_finite = series.points.len() - series.finite().count();
    let mut text = format!(
        "first {}, last {}, lowest {}, highest {}",
        place(series.finite().next()),
        place(series.finite().next_back()),
        place(series.finite().min_by(|a, b| a.1.total_cmp(&b.1))),
        place(series.finite().max_by(|a, b| a.1.total_cmp(&b.1))),
    );
    if not_finite > 0 {
        text.push_str(&format!("; {not_finite} values are not finite"));
    }
    text
}
