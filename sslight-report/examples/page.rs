//! Makes a page of run folders: `cargo run -p sslight-report --example page -- PAGE.html RUN...`
//!
//! Of a run folder it reads `metrics.jsonl`, `config.toml`, `results.json` (if there) and the pictures in `pictures/`.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;
use sslight_report::{
    ConfigRow, Fact, History, Page, PaperRow, Picture, ResultRow, RunPage, Score, render,
};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [out, folders @ ..] = &words[..] else {
        return Err("give the file of the page and run folders".into());
    };
    let runs = folders
        .iter()
        .map(|folder| run(Path::new(folder)))
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let page = Page {
        title: names.join(", "),
        runs,
        notes: Vec::new(),
    };
    let rendered = render(&page)?;
    fs::write(out, &rendered.html)?;
    println!("{out}: {} bytes", rendered.html.len());
    for sentence in &rendered.left_out {
        println!("{sentence}");
    }
    Ok(())
}

fn run(folder: &Path) -> Result<RunPage, Box<dyn Error>> {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let config = fs::read_to_string(folder.join("config.toml")).unwrap_or_default();
    let name_file = fs::read_to_string(folder.join("name.txt")).ok();
    Ok(RunPage {
        name: name_file.unwrap_or_else(|| name.to_string_lossy().into_owned()),
        facts: vec![Fact {
            name: "Images".to_owned(),
            value: "50,000".to_owned(),
        }],
        config: rows(&config),
        history: History::read(folder.join("metrics.jsonl"))?,
        results: results(&folder.join("results.json"))?,
        pictures: pictures(&folder.join("pictures"))?,
        machine: vec!["2 threads, no GPU".to_owned()],
        notes: Vec::new(),
    })
}

/// The keys of a flat TOML file, each value as it is written, a comment behind it as its origin.
fn rows(toml: &str) -> Vec<ConfigRow> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in toml.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            let (value, origin) = value.split_once(" # ").unwrap_or((value, "configuration"));
            rows.push(ConfigRow {
                key: format!("{section}{key}"),
                value: value.to_owned(),
                origin: origin.to_owned(),
            });
        }
    }
    rows
}

fn results(path: &Path) -> Result<Vec<ResultRow>, Box<dyn Error>> {
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(Vec::new());
    };
    let rows: Vec<Value> = serde_json::from_str(&text)?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(rows
        .iter()
        .map(|row| ResultRow {
            evaluation: word(&row["evaluation"]),
            protocol: word(&row["protocol"]),
            scores: vec![Score {
                name: word(&row["score"]),
                value: row["value"].as_f64().unwrap_or(f64::NAN),
                unit: "%".to_owned(),
            }],
            paper: row.get("paper").map(|paper| PaperRow {
                score: word(paper),
                source: word(&row["source"]),
            }),
        })
        .collect())
}

fn pictures(folder: &Path) -> Result<Vec<Picture>, Box<dyn Error>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut paths: Vec<_> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let title = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .replace('_', " ");
            Ok(Picture {
                caption: "What the network makes of the images.".to_owned(),
                alt: format!("The picture {title}"),
                title,
                bytes: fs::read(path)?,
            })
        })
        .collect()
}
