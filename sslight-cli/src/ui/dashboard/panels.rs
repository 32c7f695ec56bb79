//! Which numbers share a graph, how graphs are named, and how their numbers are written.

use super::series::Series;

/// A graph that is known beforehand.
struct Known {
    title: &'static str,
    /// Curves: keys with the names that they have in the graph.
    curves: &'static [(&'static str, &'static str)],
    /// Numbers that stand in the title only, since their size is another.
    beside: &'static [(&'static str, &'static str)],
}

/// In the order of their importance: a small terminal shows the first ones.
const KNOWN: &[Known] = &[
    Known {
        title: "loss",
        curves: &[
            ("loss", ""),
            ("loss_global", "global"),
            ("loss_local", "local"),
        ],
        // Its size would flatten the others.
        beside: &[
            ("loss_probe", "probe"),
            ("loss_objectness", "objectness"),
            ("loss_rpn_box_reg", "proposals"),
            ("loss_classifier", "classes"),
            ("loss_box_reg", "boxes"),
            ("loss_mask", "masks"),
        ],
    },
    Known {
        title: "accuracy %",
        curves: &[("knn_top1", "kNN"), ("probe_top1", "probe")],
        beside: &[("knn_top5", "kNN top-5")],
    },
    Known {
        title: "average precision %",
        curves: &[("box_ap", "boxes"), ("mask_ap", "masks")],
        beside: &[
            ("box_ap50", "boxes at 50 %"),
            ("mask_ap50", "masks at 50 %"),
        ],
    },
    Known {
        title: "images/s",
        curves: &[("images_per_s", "")],
        beside: &[],
    },
    Known {
        title: "learning rate",
        curves: &[("lr", "")],
        beside: &[
            ("weight_decay", "decay"),
            ("ema_momentum", "EMA"),
            ("teacher_temp", "T"),
        ],
    },
    Known {
        title: "feature std",
        curves: &[("feature_std", "")],
        beside: &[("effective_rank", "rank")],
    },
    Known {
        title: "gradient norm",
        curves: &[("grad_norm", "")],
        beside: &[],
    },
    Known {
        title: "data wait %",
        curves: &[("data_wait", "")],
        beside: &[],
    },
    Known {
        title: "target entropy",
        curves: &[("target_entropy", "")],
        beside: &[("target_usage", "usage")],
    },
];

/// Keys that say where a line belongs, or that another graph shows better.
const LEFT_OUT: &[&str] = &["step", "epoch", "seconds"];

/// Graphs of numbers that nobody thought of here, at most.
const MOST_OTHERS: usize = 24;

/// One number of a graph.
#[derive(Debug)]
pub struct Curve {
    key: String,
    /// Its name in the graph; empty for the one that the graph is named after.
    pub name: String,
    /// Its values.
    pub series: Series,
}

/// A graph.
#[derive(Debug)]
pub struct Panel {
    place: usize,
    /// Its name.
    pub title: String,
    /// What is drawn, at least one curve.
    pub curves: Vec<Curve>,
    /// What stands in the title only, with its last value.
    pub beside: Vec<(&'static str, f64)>,
}

/// All graphs for which there are numbers.
#[derive(Debug, Default)]
pub struct Panels(Vec<Panel>);

impl Panels {
    /// The graphs, in their order.
    pub fn all(&self) -> &[Panel] {
        &self.0
    }

    /// Adds a number of a step.
    pub fn push(&mut self, key: &str, step: f64, value: f64) {
        if !value.is_finite() || LEFT_OUT.contains(&key) {
            return;
        }
        let value = match key {
            // A share; hundredths of a percent are noise.
            "data_wait" => (1e4 * value).round() / 100.0,
            _ => value,
        };
        for (place, known) in KNOWN.iter().enumerate() {
            if let Some((_, name)) = known.curves.iter().find(|(curve, _)| *curve == key) {
                let panel = self.panel(place, known.title);
                panel.curve(key, name).push(step, value);
                return;
            }
            if let Some((_, name)) = known.beside.iter().find(|(beside, _)| *beside == key) {
                // Without its graph there is no place for it.
                if let Some(panel) = self.0.iter_mut().find(|panel| panel.place == place) {
                    panel.beside.retain(|(there, _)| there != name);
                    panel.beside.push((name, value));
                }
                return;
            }
        }
        let title = key.replace('_', " ");
        let others = self.0.iter().filter(|panel| panel.place == KNOWN.len());
        let known = others.clone().any(|panel| panel.title == title);
        if known || others.count() < MOST_OTHERS {
            self.panel(KNOWN.len(), &title)
                .curve(key, "")
                .push(step, value);
        }
    }

    fn panel(&mut self, place: usize, title: &str) -> &mut Panel {
        let found = self
            .0
            .iter()
            .position(|panel| panel.place == place && panel.title == title);
        let at = found.unwrap_or_else(|| {
            let at = self.0.partition_point(|panel| panel.place <= place);
            let new = Panel {
                place,
                title: title.to_owned(),
                curves: Vec::new(),
                beside: Vec::new(),
            };
            self.0.insert(at, new);
            at
        });
        &mut self.0[at]
    }
}

impl Panel {
    fn curve(&mut self, key: &str, name: &str) -> &mut Series {
        let found = self.curves.iter().position(|curve| curve.key == key);
        let at = found.unwrap_or_else(|| {
            self.curves.push(Curve {
                key: key.to_owned(),
                name: name.to_owned(),
                series: Series::new(),
            });
            self.curves.len() - 1
        });
        &mut self.curves[at].series
    }
}

/// A number in few letters.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1000.0..1e7).contains(&size) {
        format!("{value:.0}")
    } else if (100.0..1000.0).contains(&size) {
        format!("{value:.1}")
    } else if (1.0..100.0).contains(&size) {
        format!("{value:.2}")
    } else if (0.001..1.0).contains(&size) {
        format!("{value:.4}")
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(panels: &Panels) -> Vec<&str> {
        panels.all().iter().map(|panel| &*panel.title).collect()
    }

    #[test]
    fn graphs_appear_with_their_numbers_in_the_order_of_importance() {
        let mut panels = Panels::default();
        for key in [
            "new_number",
            "lr",
            "loss_local",
            "loss",
            "step",
            "weight_decay",
        ] {
            panels.push(key, 0.0, 1.0);
        }
        panels.push("knn_top1", 0.0, f64::NAN);
        assert_eq!(titles(&panels), ["loss", "learning rate", "new number"]);
        let names: Vec<&str> = panels.all()[0]
            .curves
            .iter()
            .map(|curve| &*curve.name)
            .collect();
        assert_eq!(names, ["local", ""]);
        assert_eq!(panels.all()[1].beside, [("decay", 1.0)]);
    }

    #[test]
    fn made_up_numbers_do_not_fill_the_memory() {
        let mut panels = Panels::default();
        for key in 0..1000 {
            panels.push(&format!("key{key}"), 0.0, 1.0);
        }
        assert_eq!(panels.all().len(), MOST_OTHERS);
    }

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 81.25, 1234.6, 0.996, 1.2e-5, -8.125, 531.25, 2.5e9].map(short);
        let expected = [
            "0", "81.25", "1235", "0.9960", "1.2e-5", "-8.12", "531.2", "2.5e9",
        ];
        assert_eq!(said, expected);
    }
}
