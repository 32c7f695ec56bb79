//! What `--help` says about keys: the tables, and an example a verb.

use sslight_core::config::{
    BackendChoice, Family, FinetuneSettings, ProbeSettings, VerbKeys, keys, resolve,
};

use sslight_detect::training::DetectConfig;

use crate::cmd;
use crate::exit::CliError;
use crate::verb_keys::{self, VerbKey};

/// The command with the table of keys in the help of the verbs that take them.
pub fn added(command: clap::Command) -> Result<clap::Command, CliError> {
    let table = key_table()?;
    let pretrain = format!(
        "Keys (key=value; value types, then defaults of dino on mobilenet_v2):\n{table}\n\
         Example:\n  sslight pretrain data=/images backbone=resnet18 epochs=100 out=runs/a"
    );
    let sweep = format!(
        "A sweep file is TOML: `base` (the configuration that points start from), [fixed] (settings of all points) and\n\
         a [[series]] for each curve, with axis = KEY and values = [..], or with points = [{{ at = PLACE, set = {{ KEY = VALUE }} }}].\n\
         `sslight sweep sweep/demo-alpha --dry-run` shows a small one. Each point is a run folder below `out`; the same command\n\
         skips finished points and continues others. The folder has sweep.csv, sweep.md and sweep.svg.\n\n\
         Keys: those of pretrain; `out` is the folder of the sweep.\n{table}\n\
         Example:\n  sslight sweep sweep/figure-1 data=/images backend=cuda out=runs/figure-1"
    );
    let doctor = format!(
        "Keys: those of pretrain.\n{table}\nExample:\n  sslight doctor data=/images batch_size=256"
    );
    let knn = format!(
        "Keys: those of pretrain.\n{table}\nExample:\n  sslight knn runs/a --k 10,20,200 eval.knn_temperature=0.1\n  \
         sslight knn pixels runs/a/config.toml"
    );
    let probe = format!(
        "Keys of a probe (value types, then defaults of mobilenet_v2; transformers: sgd, base_lr 0.01):\n{}\n\
         Keys of pretrain count as well: data, val_data, backbone, views, eval, seed, backend.\n\n\
         Example:\n  sslight probe runs/a probe.base_lr='[0.02,0.05,0.1]' probe.epochs=50\n  sslight probe runs/a probe.cache=true\n  \
         sslight probe random runs/a/config.toml",
        own_table(&ProbeSettings::of(Family::Cnn))?
    );
    let finetune = format!(
        "Keys of fine-tuning (value types, then defaults):\n{}\n\
         Keys of pretrain count as well: data, val_data, backbone, views, eval, seed, backend.\n\n\
         Example:\n  sslight finetune runs/a finetune.fraction=0.01\n  \
         sslight finetune random runs/a/config.toml finetune.fraction=0.01",
        own_table(&FinetuneSettings::semi_supervised())?
    );
    let of_verb = |keys: &[VerbKey], example: &str| {
        format!(
            "Keys:\n{}\nExample:\n  {example}",
            verb_keys::key_table(keys)
        )
    };
    let report = own_help(
        cmd::report::KEYS,
        &table,
        "sslight report runs/a\n  sslight report runs/a runs/b to=both.html data=/moved/images",
    );
    let export = of_verb(
        cmd::export::KEYS,
        "sslight export runs/a role=teacher dtype=f16 out=backbone.safetensors",
    );
    let import = of_verb(
        cmd::import::KEYS,
        "sslight import checkpoint.pth.tar role=teacher out=teacher.safetensors",
    );
    let inspect = of_verb(cmd::inspect::KEYS, "sslight inspect runs/a --all");
    let embed = own_help(
        cmd::embed::KEYS,
        &table,
        "sslight embed runs/a data=/photos out=features.parquet",
    );
    let neighbours = own_help(
        cmd::neighbours::KEYS,
        &table,
        "sslight neighbours runs/a split=validation queries=10 k=8 out=neighbours.png",
    );
    let project = own_help(
        cmd::project::KEYS,
        &table,
        "sslight project runs/a split=validation method=tsne out=tsne.svg",
    );
    let attention = own_help(
        cmd::attention::KEYS,
        &table,
        "sslight attention runs/vit cat.jpg dog.jpg out=attention",
    );
    let classify = format!(
        "{}\n\nWeights of torchvision were made for eval.interpolation=bilinear. Of divided data it is the validation images.",
        own_help(
            cmd::classify::KEYS,
            &table,
            "sslight classify mobilenet_v2-b0353104.pth data=photos labels=imagenet.txt eval.interpolation=bilinear",
        )
    );
    let views_preview = own_help(
        cmd::views::PREVIEW_KEYS,
        &table,
        "sslight views preview data=/photos backbone=resnet18 images=4 to=views.png",
    );
    let views_analyze = own_help(
        cmd::views::ANALYZE_KEYS,
        &table,
        "sslight views analyze data=/photos recipe=baseline to=views.svg",
    );
    let views_recommend = own_help(
        cmd::views::RECOMMEND_KEYS,
        &table,
        "sslight views recommend data=/photos backbone=resnet18 budget=1.3\n  \
         sslight views recommend image_size=500x375 backbone=vit_tiny_16 views.locals=10",
    );
    let detect_table = own_table(&DetectConfig::default())?;
    let detect_train = format!(
        "Keys (key=value; value types, then defaults, which are the paper's):\n{detect_table}\n\
         Example:\n  sslight detect train data=coco/annotations/instances_train2017.json val_data=coco/annotations/instances_val2017.json \
         backbone=resnet18 init=runs/a out=runs/a-coco\n  \
         sslight detect train data=voc/train val_data=voc/val init=runs/a batch_size=2 norm=frozen steps=2000"
    );
    let detect_eval = format!(
        "Keys: those of detect train, on top of the configuration of the run.\n{detect_table}\n\
         Example:\n  sslight detect eval runs/a-coco\n  sslight detect eval detector.safetensors val_data=voc/val --write found.json"
    );
    let detect_predict = format!(
        "Keys of this verb (key=value; value types, then defaults):\n{}\
         Keys of detect train count as well; test.score_above is 0.5 here unless it is given.\n{detect_table}\n\
         Example:\n  sslight detect predict runs/a-coco photo.jpg holiday/ out=found test.score_above=0.3",
        verb_keys::key_table(cmd::detect::PREDICT_KEYS)
    );
    let detect_compose = of_verb(
        cmd::detect::COMPOSE_KEYS,
        "sslight detect compose out=data/scenes train=200 val=100",
    );
    let selftest = format!(
        "Keys:\n  backend  {}  [auto]  the engine\n\nExample:\n  sslight selftest tests/fixtures backend=ndarray loss.dino",
        BackendChoice::WORDS.join("|")
    );
    // Changing a subcommand moves it to the end of the list, so all are changed, in their order.
    Ok(command
        .mut_subcommand("pretrain", |verb| verb.after_help(pretrain))
        .mut_subcommand("watch", |verb| verb)
        .mut_subcommand("sweep", |verb| verb.after_help(sweep))
        .mut_subcommand("knn", |verb| verb.after_help(knn))
        .mut_subcommand("probe", |verb| verb.after_help(probe))
        .mut_subcommand("finetune", |verb| verb.after_help(finetune))
        .mut_subcommand("detect", |verb| {
            verb.after_help(
                "Example:\n  sslight detect train data=coco/annotations/instances_train2017.json init=runs/a",
            )
            .mut_subcommand("train", |verb| verb.after_help(detect_train))
            .mut_subcommand("eval", |verb| verb.after_help(detect_eval))
            .mut_subcommand("predict", |verb| verb.after_help(detect_predict))
            .mut_subcommand("compose", |verb| verb.after_help(detect_compose))
        })
        .mut_subcommand("results", |verb| verb)
        .mut_subcommand("report", |verb| verb.after_help(report))
        .mut_subcommand("export", |verb| verb.after_help(export))
        .mut_subcommand("import", |verb| verb.after_help(import))
        .mut_subcommand("inspect", |verb| verb.after_help(inspect))
        .mut_subcommand("embed", |verb| verb.after_help(embed))
        .mut_subcommand("neighbours", |verb| verb.after_help(neighbours))
        .mut_subcommand("project", |verb| verb.after_help(project))
        .mut_subcommand("attention", |verb| verb.after_help(attention))
        .mut_subcommand("classify", |verb| verb.after_help(classify))
        .mut_subcommand("views", |verb| {
            verb.after_help("Example:\n  sslight views preview data=/photos to=views.png")
                .mut_subcommand("preview", |verb| verb.after_help(views_preview))
                .mut_subcommand("analyze", |verb| verb.after_help(views_analyze))
                .mut_subcommand("recommend", |verb| verb.after_help(views_recommend))
        })
        .mut_subcommand("selftest", |verb| verb.after_help(selftest))
        .mut_subcommand("bench", |verb| {
            verb.after_help(
                "Example:\n  sslight bench step --breakdown backbone=resnet18 batch_size=32",
            )
        })
        .mut_subcommand("list", |verb| {
            verb.after_help("Example:\n  sslight list backbones")
        })
        .mut_subcommand("doctor", |verb| verb.after_help(doctor))
        .mut_subcommand("completions", |verb| verb)
        .mut_subcommand("man", |verb| verb))
}

/// The help of a verb with keys of its own.
fn own_help(own: &[VerbKey], table: &str, example: &str) -> String {
    format!(
        "Keys of this verb (key=value; value types, then defaults):\n{}\n\
         Keys of the configuration, as of pretrain:\n{table}\nExample:\n  {example}",
        verb_keys::key_table(own)
    )
}

/// Two lines a key: name, type and default, then its meaning.
fn key_table() -> Result<String, CliError> {
    // Giving data keeps the defaults of the paper instead of the demonstration.
    let defaults = resolve(&["data="])?.config.values()?;
    let mut table = String::new();
    for (key, (_, default)) in keys().iter().zip(defaults) {
        let (name, kind, help) = (key.name, key.kind.name(), key.help);
        table.push_str(&format!("  {name}  {kind}  [{default}]\n      {help}\n"));
    }
    Ok(table)
}

/// The same for the keys of a verb.
fn own_table<T: VerbKeys>(defaults: &T) -> Result<String, CliError> {
    let mut table = String::new();
    for (key, default) in defaults.values()? {
        let (name, kind, help) = (key.name, key.kind.name(), key.help);
        table.push_str(&format!("  {name}  {kind}  [{default}]\n      {help}\n"));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_keys_has_an_entry_for_each_key() {
        let table = key_table().map_err(|error| error.to_string());
        let names: Vec<String> = table
            .iter()
            .flat_map(|table| table.lines().step_by(2))
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect();
        assert_eq!(names, keys().iter().map(|key| key.name).collect::<Vec<_>>());
    }
}
