//! The frame of the page: head, policy, headings, styles and scripts around its parts.

use super::html::Html;
use super::number::shown;
use super::{Parts, facts};
use crate::page::Page;

/// Run in this order. All but the first are ours; each defines one thing on the object `report`.
pub(super) const SCRIPTS: [&str; 11] = [
    include_str!("../../assets/uplot/uPlot.iife.min.js"),
    include_str!("../../assets/data.js"),
    include_str!("../../assets/colours.js"),
    include_str!("../../assets/axes.js"),
    include_str!("../../assets/tooltip.js"),
    include_str!("../../assets/chart.js"),
    include_str!("../../assets/spectrum.js"),
    include_str!("../../assets/tables.js"),
    include_str!("../../assets/controls.js"),
    include_str!("../../assets/parts.js"),
    include_str!("../../assets/main.js"),
];
const STYLES: [&str; 4] = [
    include_str!("../../assets/uplot/uPlot.min.css"),
    include_str!("../../assets/page.css"),
    include_str!("../../assets/tables.css"),
    include_str!("../../assets/plots.css"),
];
const UPLOT_LICENSE: &str = include_str!("../../assets/uplot/LICENSE");
const HOW_TO_READ: &str = include_str!("../../assets/how-to-read.html");

/// About the bytes of a page without its parts: what is said around them, styles and scripts.
pub(super) fn size() -> usize {
    let fixed = [UPLOT_LICENSE, HOW_TO_READ];
    let texts = SCRIPTS.iter().chain(&STYLES).chain(&fixed);
    texts.map(|text| text.len()).sum::<usize>() + 8000
}

/// The page.
pub(super) fn page(page: &Page, parts: &Parts, pictures: &Html, left_out: &[String]) -> Html {
    let mut html = Html::default();
    head(&mut html, page);
    html.raw("<body>");
    html.raw(
        "<a class=\"skip\" href=\"#main\">To the content</a><header><div class=\"title\"><h1>",
    );
    html.text(&page.title).raw("</h1>");
    if let [run] = &page.runs[..] {
        facts::badge(&mut html, &run.history);
    }
    html.raw("<button type=\"button\" id=\"theme\" class=\"needs-script\">Dark</button></div>");
    html.append(&parts.facts);
    notes(&mut html, page, left_out);
    html.raw("</header>");
    let sections = [
        ("results", "Results", &parts.results),
        ("curves", "Curves", &parts.figures),
        ("events", "Events", &parts.events),
        ("pictures", "Pictures", pictures),
        ("configuration", "Configuration", &parts.configuration),
        ("machine", "Machine and notes", &parts.texts),
    ];
    html.raw("<nav aria-label=\"Parts of the page\"><ul>");
    for (id, title, _) in sections.iter().filter(|section| !section.2.is_empty()) {
        html.raw("<li><a href=\"#").raw(id).raw("\">");
        html.raw(title).raw("</a></li>");
    }
    html.raw("</ul></nav><main id=\"main\">");
    html.raw("<noscript><p class=\"note\">The curves are drawn by a script of this page, which does not run here. Their courses are told in words.</p></noscript>");
    html.raw(HOW_TO_READ);
    for (id, title, content) in sections.iter().filter(|section| !section.2.is_empty()) {
        html.raw("<section id=\"").raw(id).raw("\"><h2>");
        html.raw(title).raw("</h2>");
        if *id == "curves" {
            html.raw("<div id=\"controls\" class=\"needs-script\"></div>");
        }
        html.append(content).raw("</section>");
    }
    html.raw("</main><footer><p>Made by sslight. Curves are drawn by uPlot 1.6.32 (MIT license).</p></footer>");
    html.raw("<script type=\"application/json\" id=\"data\">");
    html.append(&parts.data).raw("</script>\n<!--\nuPlot:\n");
    html.raw(UPLOT_LICENSE).raw("-->");
    for script in SCRIPTS {
        html.raw("<script>").raw(script).raw("</script>\n");
    }
    html.raw("</body></html>\n");
    html
}

fn head(html: &mut Html, page: &Page) {
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src");
    for script in SCRIPTS {
        html.raw(" ").script_hash(script);
    }
    html.raw("\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">");
    // Without an icon of its own a browser asks the server for one.
    html.raw("<link rel=\"icon\" href=\"data:,\">");
    html.element("title", &page.title).raw("<style>\n");
    for style in STYLES {
        html.raw(style).raw("\n");
    }
    html.raw("</style></head>");
}

/// What the reader should know before anything else.
fn notes(html: &mut Html, page: &Page, left_out: &[String]) {
    let of_runs = page.runs.iter().flat_map(|run| run.history.notes());
    for sentence in page.notes.iter().chain(left_out).chain(of_runs) {
        html.raw("<p class=\"note\">").text(sentence).raw("</p>");
    }
    for run in &page.runs {
        let all = run.history.step_series().iter();
        for series in all.chain(run.history.epoch_series()) {
            let count = series.points.len();
            let gaps = count - series.finite().count();
            if gaps > 0 {
                html.raw("<p class=\"note\"><bdi>").text(&run.name);
                html.raw("</bdi>: <code>").text(&series.key);
                html.raw("</code> is no finite number in ")
                    .text(&shown(gaps as f64));
                html.raw(" of ").text(&shown(count as f64)).raw(" lines");
                html.raw(if gaps == count {
                    ", and is not drawn.</p>"
                } else {
                    "; its curve has gaps there.</p>"
                });
            }
        }
    }
}

/// Machine and notes of the runs; empty if there are none.
pub(super) fn texts(page: &Page) -> Html {
    let mut html = Html::default();
    for run in &page.runs {
        if run.machine.is_empty() && run.notes.is_empty() {
            continue;
        }
        if page.runs.len() > 1 {
            html.raw("<h3><bdi>").text(&run.name).raw("</bdi></h3>");
        }
        if !run.machine.is_empty() {
            html.raw("<ul class=\"machine\">");
            for line in &run.machine {
                html.element("li", line);
            }
            html.raw("</ul>");
        }
        for note in &run.notes {
            html.element("p", note);
        }
    }
    html
}
