//! What stands below a view.

use super::record::ViewRecord;

/// Lines of every caption, so that neighbours stay aligned.
pub(super) const LINES: usize = 11;

/// A line: what it is of, its value, and whether something happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub label: String,
    pub value: String,
    pub active: bool,
}

/// The draws of a view in short words. The four lines of colour jitter stand in the order of application.
pub(super) fn lines(view: &ViewRecord) -> [Line; LINES] {
    let line = |label: &str, value: String, active: bool| Line {
        label: label.to_owned(),
        value,
        active,
    };
    let switch = |label: &str, on: bool| line(label, if on { "yes" } else { "no" }.to_owned(), on);
    let jitter = |place: usize| match &view.jitter {
        Some(jitter) => {
            let operation = &jitter.order[place];
            let strength = jitter.strength(operation);
            let value = if operation == "hue" {
                format!("{strength:+.3} turn").replace('-', "−")
            } else {
                format!("×{strength:.2}")
            };
            line(&format!("{}. {operation}", place + 1), value, true)
        }
        None if place == 0 => line("colour jitter", "no".to_owned(), false),
        None => line("", String::new(), false),
    };
    [
        line("scale", format!("{:.3}", view.scale), true),
        line("aspect", format!("{:.2}", view.aspect), true),
        line("pixel scale", format!("{:.2}", view.pixel_scale), true),
        switch("flip", view.flip),
        jitter(0),
        jitter(1),
        jitter(2),
        jitter(3),
        switch("grey", view.grayscale),
        match view.blur_sigma {
            Some(sigma) => line("blur", format!("σ {sigma:.2} px"), true),
            None => switch("blur", false),
        },
        switch("solarise", view.solarize),
    ]
}
