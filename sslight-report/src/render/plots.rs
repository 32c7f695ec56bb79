//! Which plots there are, and what each shows.

/// Which lines of the metrics a series is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The steps.
    Step,
    /// The ends of epochs.
    Epoch,
}

/// A plot of series over the course of a run.
#[derive(Debug)]
pub(super) struct Plot {
    /// A word for scripts.
    pub id: &'static str,
    /// The group of plots that it is in.
    pub group: &'static str,
    /// The heading.
    pub title: &'static str,
    /// The unit of its values; may be empty.
    pub unit: &'static str,
    /// What it tells, as a sentence.
    pub hint: &'static str,
    /// Whether a logarithmic axis is offered.
    pub log: bool,
    /// Whether events are marked.
    pub marks: bool,
    /// Constants of a run that are dashed lines: the key in the summary and the label.
    pub floors: &'static [(&'static str, &'static str)],
    /// The series: source, key, label.
    pub series: &'static [(Source, &'static str, &'static str)],
}

const PLAIN: Plot = Plot {
    id: "",
    group: "",
    title: "",
    unit: "",
    hint: "",
    log: false,
    marks: false,
    floors: &[],
    series: &[],
};

/// The group of keys that no plot names.
pub(super) const OTHER: &str = "Other";

/// The plot that takes in keys that begin with `loss_` and are named nowhere.
pub(super) const LOSS: &str = "loss";

use Source::{Epoch, Step};

/// All plots, in the order in which they stand.
pub(super) const PLOTS: &[Plot] = &[
    Plot {
        id: LOSS,
        group: "Learning",
        title: "Loss",
        hint: "What training lowers. Only its course within a run says something: losses of different methods or settings are not comparable.",
        log: true,
        marks: true,
        series: &[
            (Step, "loss", "total"),
            (Step, "loss_global", "global views"),
            (Step, "loss_local", "local views"),
        ],
        ..PLAIN
    },
    Plot {
        id: "accuracy",
        group: "Learning",
        title: "Accuracy over epochs",
        unit: "%",
        hint: "How well the features tell classes apart. Learning means rising above both dashed floors.",
        floors: &[
            ("knn_pixels", "raw pixels"),
            ("knn_before", "before training"),
        ],
        series: &[
            (Epoch, "knn_top1", "kNN"),
            (Epoch, "knn_top5", "kNN, five best"),
            (Epoch, "probe_top1", "online probe"),
        ],
        ..PLAIN
    },
    Plot {
        id: "average_precision",
        group: "Learning",
        title: "Average precision over epochs",
        unit: "%",
        hint: "How well a detector finds what is annotated (COCO's measure): over overlaps of 50 to 95 %, and at 50 %.",
        series: &[
            (Epoch, "box_ap", "boxes"),
            (Epoch, "box_ap50", "boxes, overlap 50 %"),
            (Epoch, "mask_ap", "masks"),
            (Epoch, "mask_ap50", "masks, overlap 50 %"),
        ],
        ..PLAIN
    },
    Plot {
        id: "loss_probe",
        group: "Learning",
        title: "Loss of the online probe",
        hint: "A linear classifier beside the training. It does not change the backbone.",
        log: true,
        series: &[(Step, "loss_probe", "probe")],
        ..PLAIN
    },
    Plot {
        id: "feature_std",
        group: "Features",
        title: "Spread of features",
        hint: "Mean standard deviation of normalised features. Near 0 all images look the same to the network: collapse.",
        marks: true,
        series: &[
            (Step, "feature_std", "at steps"),
            (Epoch, "feature_std", "at ends of epochs"),
            (Step, "embedding_std", "embeddings"),
        ],
        ..PLAIN
    },
    Plot {
        id: "effective_rank",
        group: "Features",
        title: "Effective rank",
        hint: "How many directions the features really use. A fall to a few is collapse of dimensions.",
        log: true,
        marks: true,
        series: &[
            (Step, "effective_rank", "at steps"),
            (Epoch, "effective_rank", "at ends of epochs"),
        ],
        ..PLAIN
    },
    Plot {
        id: "target_entropy",
        group: "Targets and teacher",
        title: "Entropy of targets",
        unit: "nats",
        hint: "Near its highest value the targets are uniform, near 0 each is one output; both for long are collapse.",
        marks: true,
        series: &[(Step, "target_entropy", "entropy")],
        ..PLAIN
    },
    Plot {
        id: "target_usage",
        group: "Targets and teacher",
        title: "Outputs in use",
        hint: "Share of the outputs that are the largest of some target. One output for all images is collapse.",
        series: &[(Step, "target_usage", "share")],
        ..PLAIN
    },
    Plot {
        id: "teacher_temp",
        group: "Targets and teacher",
        title: "Temperature of the teacher",
        hint: "Lower makes targets sharper.",
        series: &[(Step, "teacher_temp", "temperature")],
        ..PLAIN
    },
    Plot {
        id: "ema_momentum",
        group: "Targets and teacher",
        title: "Momentum of the teacher",
        hint: "The share that the teacher keeps of itself in a step.",
        series: &[(Step, "ema_momentum", "momentum")],
        ..PLAIN
    },
    Plot {
        id: "ema_distance",
        group: "Targets and teacher",
        title: "Distance of student and teacher",
        hint: "How far the teacher lags behind.",
        log: true,
        series: &[(Epoch, "ema_distance", "distance")],
        ..PLAIN
    },
    Plot {
        id: "queue_age",
        group: "Targets and teacher",
        title: "Age of the queue",
        unit: "epochs",
        hint: "How long ago the oldest of the stored features was made.",
        series: &[(Step, "queue_age", "age")],
        ..PLAIN
    },
    Plot {
        id: "lr",
        group: "Optimizer",
        title: "Learning rate",
        hint: "As scheduled.",
        log: true,
        series: &[(Step, "lr", "learning rate")],
        ..PLAIN
    },
    Plot {
        id: "weight_decay",
        group: "Optimizer",
        title: "Weight decay",
        hint: "As scheduled.",
        log: true,
        series: &[(Step, "weight_decay", "weight decay")],
        ..PLAIN
    },
    Plot {
        id: "grad_norm",
        group: "Optimizer",
        title: "Norm of the gradient",
        hint: "Before clipping. Peaks that grow announce divergence.",
        log: true,
        marks: true,
        series: &[(Step, "grad_norm", "norm")],
        ..PLAIN
    },
    Plot {
        id: "images_per_s",
        group: "Speed",
        title: "Throughput",
        unit: "images/s",
        hint: "Images per second of training, evaluations left out.",
        series: &[(Step, "images_per_s", "images per second")],
        ..PLAIN
    },
    Plot {
        id: "data_wait",
        group: "Speed",
        title: "Waiting for data",
        hint: "Share of the time in which training waited for images. Above 0.1 more workers or faster storage help.",
        series: &[(Step, "data_wait", "share of time")],
        ..PLAIN
    },
    Plot {
        id: "seconds",
        group: "Speed",
        title: "Time of an epoch",
        unit: "s",
        hint: "Evaluation included.",
        series: &[(Epoch, "seconds", "seconds")],
        ..PLAIN
    },
];

/// Keys that are drawn elsewhere: the mean loss of an epoch says nothing that the loss does not.
pub(super) const NOT_DRAWN: &[(Source, &str)] = &[(Epoch, "loss")];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_and_series_are_unique_and_groups_stand_together() {
        let ids: HashSet<&str> = PLOTS.iter().map(|plot| plot.id).collect();
        assert_eq!(ids.len(), PLOTS.len());
        let series: Vec<String> = PLOTS
            .iter()
            .flat_map(|plot| plot.series)
            .map(|series| format!("{:?} {}", series.0, series.1))
            .collect();
        assert_eq!(series.iter().collect::<HashSet<_>>().len(), series.len());
        let mut groups: Vec<&str> = PLOTS.iter().map(|plot| plot.group).collect();
        groups.dedup();
        assert_eq!(groups.iter().collect::<HashSet<_>>().len(), groups.len());
    }
}
