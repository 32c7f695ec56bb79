mod size;

use serde_json::{Value, json};

use super::*;
use crate::history::History;
use crate::page::{ConfigRow, PaperRow, Picture, ResultRow, Score};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

fn history(text: &str) -> History {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    std::fs::write(&path, text).unwrap();
    History::read(&path).unwrap()
}

fn run(name: &str) -> RunPage {
    RunPage {
        name: name.to_owned(),
        history: history(concat!(
            "{\"kind\":\"step\",\"step\":0,\"epoch\":0,\"loss\":5,\"loss_koleo\":1,\"lr\":0.1,\"new_key\":3}\n",
            "{\"kind\":\"step\",\"step\":1,\"epoch\":0,\"loss\":4,\"loss_koleo\":2,\"lr\":0.1,\"new_key\":4}\n",
            "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"loss\":4.5,\"knn_top1\":40,\"seconds\":3}\n",
            "{\"kind\":\"summary\",\"end\":\"completed\",\"steps\":2,\"epochs\":1,\"loss\":4,\"knn_pixels\":30}\n",
        )),
        ..RunPage::default()
    }
}

fn page(runs: Vec<RunPage>) -> Page {
    Page {
        title: "title".to_owned(),
        runs,
        notes: Vec::new(),
    }
}

fn html(runs: Vec<RunPage>) -> String {
    render(&page(runs)).unwrap().html
}

/// What the script of a page gets.
fn data_of(html: &str) -> Value {
    let (_, rest) = html
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn config(rows: &[(&str, &str)]) -> Vec<ConfigRow> {
    let row = |&(key, value): &(&str, &str)| ConfigRow {
        key: key.to_owned(),
        value: value.to_owned(),
        origin: "default".to_owned(),
    };
    rows.iter().map(row).collect()
}

#[test]
fn only_plots_with_data_appear_and_new_keys_get_one() {
    let html = html(vec![run("a")]);
    let data = data_of(&html);
    let titles: Vec<&str> = data["plots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plot| plot["title"].as_str().unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "Loss",
            "Accuracy over epochs",
            "Learning rate",
            "Time of an epoch",
            "new key"
        ]
    );
    assert_eq!(data["plots"][0]["series"][1]["id"], "step:loss_koleo");
    assert_eq!(html.matches("<figure class=\"plot\"").count(), titles.len());
    assert_eq!(data["runs"][0]["floors"]["knn_pixels"], 30);
    assert!(html.contains("first 5 at step 0, last 4 at step 1"));
    assert!(!html.contains("id=\"events\"") && !html.contains("id=\"pictures\""));
}

#[test]
fn steps_that_series_share_are_stored_once() {
    let data = data_of(&html(vec![run("a")]));
    assert_eq!(data["runs"][0]["axes"].as_array().unwrap().len(), 2);
}

#[test]
fn nothing_that_a_run_holds_becomes_markup() {
    let mut hostile = run(HOSTILE);
    let event = json!({
        "kind": "event", "step": 1, "name": HOSTILE, "reason": HOSTILE, "advice": HOSTILE, HOSTILE: HOSTILE,
    });
    let step = json!({ "kind": "step", "step": 1, HOSTILE: 3 });
    let summary = json!({ "kind": "summary", "end": HOSTILE, "knn_protocol": HOSTILE });
    hostile.history = history(&format!("{event}\n{step}\n{summary}\n{HOSTILE}\n"));
    hostile.config = config(&[(HOSTILE, HOSTILE), ("method", HOSTILE)]);
    hostile.machine = vec![HOSTILE.to_owned()];
    hostile.notes = vec![HOSTILE.to_owned()];
    hostile.facts = vec![crate::page::Fact {
        name: HOSTILE.to_owned(),
        value: HOSTILE.to_owned(),
    }];
    hostile.results = vec![ResultRow {
        evaluation: HOSTILE.to_owned(),
        protocol: HOSTILE.to_owned(),
        scores: vec![Score {
            name: HOSTILE.to_owned(),
            value: 1.0,
            unit: HOSTILE.to_owned(),
        }],
        paper: Some(PaperRow {
            score: HOSTILE.to_owned(),
            source: HOSTILE.to_owned(),
        }),
    }];
    hostile.pictures = vec![Picture {
        title: HOSTILE.to_owned(),
        caption: HOSTILE.to_owned(),
        alt: format!("\"{HOSTILE}"),
        bytes: b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>"
            .to_vec(),
    }];
    for runs in [
        vec![hostile.clone()],
        vec![hostile.clone(), run("b"), hostile],
    ] {
        let mut page = page(runs);
        page.title = HOSTILE.to_owned();
        page.notes = vec![HOSTILE.to_owned()];
        let html = render(&page).unwrap().html;
        assert!(!html.contains(HOSTILE));
        assert!(!html.contains("<img src=x") && !html.contains("<svg"));
        assert_eq!(html.matches("</script>").count(), frame::SCRIPTS.len() + 1);
        assert_eq!(data_of(&html)["runs"][0]["name"], HOSTILE);
    }
}

#[test]
fn the_policy_names_every_script_and_nothing_else_runs_or_is_fetched() {
    let html = html(vec![run("a")]);
    let policy = html
        .split_once("http-equiv=\"Content-Security-Policy\" content=\"")
        .unwrap()
        .1;
    let policy = policy.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; img-src data:;"));
    let scripts: Vec<&str> = html
        .split("<script>")
        .skip(1)
        .map(|rest| rest.split_once("</script>").unwrap().0)
        .collect();
    assert_eq!(scripts.len(), frame::SCRIPTS.len());
    for script in scripts {
        let mut hash = Html::default();
        hash.script_hash(script);
        assert!(policy.contains(&hash.into_string()));
    }
    assert!(!policy.contains("script-src 'unsafe") && !policy.contains("http"));
    assert!(
        !html.contains(" src=\"http") && !html.contains("<script src") && !html.contains("@import")
    );
}

#[test]
fn rows_that_are_the_same_in_all_runs_are_marked() {
    let mut first = run("a");
    first.config = config(&[("lr", "1"), ("seed", "0"), ("only_here", "2")]);
    let mut second = run("b");
    second.config = config(&[("lr", "1"), ("new", "7"), ("seed", "1")]);
    let html = html(vec![first, second]);
    let table = html.split_once("<table class=\"config\">").unwrap().1;
    let keys: Vec<&str> = table
        .split("<th scope=\"row\"><code>")
        .skip(1)
        .map(|rest| rest.split_once('<').unwrap().0)
        .collect();
    assert_eq!(keys, ["lr", "new", "seed", "only_here"]);
    assert_eq!(table.matches("<tr class=\"same\">").count(), 1);
    assert_eq!(data_of(&html)["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn results_of_one_protocol_stand_in_one_row() {
    let result = |protocol: &str, value: f64| ResultRow {
        evaluation: "kNN".to_owned(),
        protocol: protocol.to_owned(),
        scores: vec![Score {
            name: "top-1".to_owned(),
            value,
            unit: "%".to_owned(),
        }],
        paper: None,
    };
    let mut first = run("a");
    first.results = vec![result("k = 20", 50.0)];
    let mut second = run("b");
    second.results = vec![result("k = 20", 60.0), result("k = 1", f64::NAN)];
    let html = html(vec![first, second]);
    let table = html.split_once("<table class=\"results\">").unwrap().1;
    let table = table.split_once("</table>").unwrap().0;
    assert_eq!(table.matches("<tr>").count(), 3);
    assert!(table.contains("50.00 %</td><td class=\"number\">60.00 %"));
    assert!(table.contains("not finite"));
}

#[test]
fn numbers_that_are_not_finite_are_told() {
    let mut one = run("a");
    one.history = history(concat!(
        "{\"kind\":\"step\",\"step\":0,\"loss\":1,\"grad_norm\":null}\n",
        "{\"kind\":\"step\",\"step\":1,\"loss\":null,\"grad_norm\":null}\n",
        "{\"kind\":\"summary\",\"end\":\"diverged\",\"loss\":null}\n",
    ));
    let html = html(vec![one]);
    assert!(
        html.contains("<code>loss</code> is no finite number in 1 of 2 lines; its curve has gaps")
    );
    assert!(
        html.contains(
            "<code>grad_norm</code> is no finite number in 2 of 2 lines, and is not drawn"
        )
    );
    assert!(html.contains("<dt>Last loss</dt><dd>not finite</dd>"));
    assert!(html.contains("stopped itself: diverged"));
}

#[test]
fn states_are_told_in_words() {
    let state = |end: &str| {
        let text = format!("{{\"kind\":\"summary\",\"end\":\"{end}\"}}\n");
        facts::state(&history(&text)).1
    };
    assert_eq!(state("completed"), "completed");
    assert_eq!(state("max_steps"), "ended at max_steps");
    assert_eq!(state("interrupted"), "interrupted");
    assert_eq!(
        state("stopped_on_collapse"),
        "stopped itself: stopped on collapse"
    );
    assert_eq!(facts::state(&history("")).1, "no metrics yet");
    let running = history("{\"kind\":\"step\",\"step\":3,\"loss\":1}\n");
    assert_eq!(facts::state(&running).1, "running, or ended without a word");
}

#[test]
fn what_the_caller_says_of_a_fact_holds() {
    let fact = |name: &str, value: &str| crate::page::Fact {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let mut one = run("a");
    one.config = config(&[("method", "\"dino\"")]);
    one.facts = vec![fact("Images", "7"), fact("Steps", "2 of 9")];
    let told: Vec<String> = facts::facts(&one)
        .iter()
        .map(|fact| format!("{} {}", fact.name, fact.value))
        .collect();
    assert_eq!(
        told[..4],
        ["Method dino", "Images 7", "Steps 2 of 9", "Epochs 1"]
    );
    assert_eq!(
        told.iter().filter(|fact| fact.starts_with("Steps")).count(),
        1
    );
}
