//! The sentences and numbers of a run, as text.

use std::time::Duration;

use serde_json::{Map, Value};
use sslight_core::observe::{End, EpochReport, StartInfo, StepReport, Summary};

/// What a run is, before its first step.
pub fn start_lines(start: &StartInfo) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} on {}, {} parameters to train",
            start.title,
            start.backend,
            grouped(start.parameters)
        ),
        format!("data: {}", start.data),
        format!(
            "{} epochs of {} steps, {} in all; run folder {}",
            start.epochs,
            start.steps_per_epoch,
            start.total_steps,
            start.out.display()
        ),
    ];
    if start.first_step > 0 {
        lines.push(format!("continuing at step {}", start.first_step));
    }
    lines
}

/// A training step, without its number.
pub fn step_text(report: &StepReport, epochs: usize) -> String {
    let parts = match (report.loss_global, report.loss_local) {
        (Some(global), Some(local)) => format!(" (global {global:.3}, local {local:.3})"),
        _ => String::new(),
    };
    format!(
        "epoch {}/{epochs}  loss {:.4}{parts}  lr {:.3e}  {:.0} images/s  data wait {:.0} %",
        report.epoch + 1,
        report.loss,
        report.lr,
        report.images_per_s,
        100.0 * report.data_wait
    )
}

/// The end of an epoch.
pub fn epoch_text(report: &EpochReport, epochs: usize) -> String {
    let mut text = format!(
        "epoch {}/{epochs} done  loss {:.4}",
        report.epoch + 1,
        report.loss
    );
    if let Some(top1) = report.knn_top1 {
        text.push_str(&format!("  kNN {top1:.2} %"));
    }
    if let Some(top5) = report.knn_top5 {
        text.push_str(&format!(" (top-5 {top5:.2} %)"));
    }
    if let Some(top1) = report.probe_top1 {
        text.push_str(&format!("  probe {top1:.2} %"));
    }
    if let Some(rank) = report.effective_rank {
        text.push_str(&format!("  effective rank {rank:.1}"));
    }
    text.push_str(&scores_text(&report.scores));
    text.push_str(&format!(
        "  {}",
        duration(Duration::from_secs_f64(report.seconds.max(0.0)))
    ));
    text
}

/// The average precision of boxes and masks, as far as they were measured.
fn scores_text(scores: &Map<String, Value>) -> String {
    let of = |name: &str| scores.get(name).and_then(Value::as_f64);
    let kinds = [
        ("box", "box_ap", "box_ap50"),
        ("mask", "mask_ap", "mask_ap50"),
    ];
    let texts = kinds.into_iter().filter_map(|(kind, ap, ap50)| {
        Some(format!(
            "  {kind} AP {:.2} (AP50 {:.2})",
            of(ap)?,
            of(ap50)?
        ))
    });
    texts.collect()
}

/// How a run ended.
pub fn summary_text(summary: &Summary) -> String {
    let end = match summary.end {
        End::Completed => "done",
        End::MaxSteps => "stopped at max_steps",
        End::Interrupted => "interrupted; the same command continues",
    };
    let knn = summary
        .knn_top1
        .map(|top1| format!(", kNN {top1:.2} %"))
        .unwrap_or_default();
    format!(
        "{end}: {} steps in {}, loss {:.4}{knn}{}; see {}",
        summary.steps,
        duration(Duration::from_secs_f64(summary.seconds.max(0.0))),
        summary.loss,
        scores_text(&summary.scores),
        summary.out.display()
    )
}

/// The scores before and after training, under each other; `None` if none was measured.
pub fn knn_table(summary: &Summary) -> Option<String> {
    let after = summary.knn_top1?;
    let rows = [
        ("raw pixels", summary.knn_pixels),
        ("network before training", summary.knn_before),
        ("network after training", Some(after)),
    ];
    let mut table = String::from("validation kNN top-1");
    if let Some(protocol) = &summary.knn_protocol {
        table.push_str(&format!(" ({protocol})"));
    }
    for (name, top1) in rows {
        if let Some(top1) = top1 {
            table.push_str(&format!("\n  {name:<24}{top1:6.2} %"));
        }
    }
    Some(table)
}

/// The time that the steps left will take at the pace of those taken since the start.
pub fn time_left(elapsed: Duration, taken: usize, done: usize, total: usize) -> Option<Duration> {
    let left = total.checked_sub(done)?;
    (taken > 0).then(|| elapsed.mul_f64(left as f64 / taken as f64))
}

/// The tail of a step line.
pub fn left_text(left: Option<Duration>) -> String {
    left.map(|left| format!("  ETA {}", duration(left)))
        .unwrap_or_default()
}

/// A duration as people say it: two units at most.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs_f64().round() as u64;
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

/// A count with its thousands apart.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_line_shows_epoch_loss_rate_speed_and_the_wait_for_data() {
        let report = StepReport {
            step: 19,
            epoch: 0,
            loss: 6.93147,
            loss_global: Some(6.5),
            loss_local: Some(7.25),
            loss_probe: None,
            lr: 0.0123,
            weight_decay: 1e-6,
            ema_momentum: Some(0.996),
            teacher_temp: Some(0.04),
            target_entropy: None,
            target_usage: None,
            grad_norm: None,
            feature_std: None,
            embedding_std: None,
            queue_age: None,
            losses: Default::default(),
            images_per_s: 812.4,
            data_wait: 0.031,
            total_steps: 620,
        };
        assert_eq!(
            step_text(&report, 10),
            "epoch 1/10  loss 6.9315 (global 6.500, local 7.250)  lr 1.230e-2  812 images/s  data wait 3 %"
        );
    }

    #[test]
    fn an_epoch_line_shows_only_what_was_measured() {
        let report = EpochReport {
            epoch: 1,
            step: 124,
            loss: 5.5,
            scores: Default::default(),
            seconds: 61.2,
            ..Default::default()
        };
        assert_eq!(
            epoch_text(&report, 10),
            "epoch 2/10 done  loss 5.5000  1 min 1 s"
        );
        let report = EpochReport {
            knn_top1: Some(61.25),
            knn_top5: Some(90.0),
            ..report
        };
        assert_eq!(
            epoch_text(&report, 10),
            "epoch 2/10 done  loss 5.5000  kNN 61.25 % (top-5 90.00 %)  1 min 1 s"
        );
    }

    #[test]
    fn an_interrupted_run_is_told_how_to_continue() {
        let summary = Summary {
            end: End::Interrupted,
            steps: 40,
            epochs: 0,
            loss: 5.5,
            knn_top1: None,
            knn_top5: None,
            knn_before: None,
            knn_pixels: None,
            knn_protocol: None,
            scores: Default::default(),
            seconds: 3.0,
            out: "runs/demo".into(),
        };
        assert_eq!(
            summary_text(&summary),
            "interrupted; the same command continues: 40 steps in 3 s, loss 5.5000; see runs/demo"
        );
    }

    #[test]
    fn the_table_of_scores_shows_what_was_measured() {
        let mut summary = Summary {
            end: End::Completed,
            steps: 1,
            epochs: 1,
            loss: 1.0,
            knn_top1: None,
            knn_top5: None,
            knn_before: Some(70.25),
            knn_pixels: Some(8.5),
            knn_protocol: Some("20-NN".to_owned()),
            scores: Default::default(),
            seconds: 1.0,
            out: "runs/demo".into(),
        };
        assert_eq!(knn_table(&summary), None);
        summary.knn_top1 = Some(75.0);
        assert_eq!(
            knn_table(&summary).as_deref(),
            Some(
                "validation kNN top-1 (20-NN)\n  raw pixels                8.50 %\n  \
                 network before training  70.25 %\n  network after training   75.00 %"
            )
        );
    }

    #[test]
    fn the_time_left_follows_the_pace_since_the_start_of_this_part() {
        let left = |taken, done| time_left(Duration::from_secs(10), taken, done, 100);
        assert_eq!(left(20, 50), Some(Duration::from_secs(25)));
        assert_eq!(left(50, 100), Some(Duration::ZERO));
        assert_eq!(left(0, 50), None);
        assert_eq!(left(20, 101), None);
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let said = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([said(0), said(59), said(60)], ["0 s", "59 s", "1 min 0 s"]);
        assert_eq!(
            [said(3599), said(3600), said(90_061)],
            ["59 min 59 s", "1 h 0 min", "1 d 1 h"]
        );
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000)],
            ["0", "999", "1,000"]
        );
        assert_eq!(grouped(11_176_512), "11,176,512");
    }
}
