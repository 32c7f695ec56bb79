//! What is refused, with the literal text that the user reads.

use super::super::DataFacts;
use super::{file, message, resolved};

#[test]
fn an_unknown_key_names_the_nearest_keys_and_where_it_stands() {
    let (_folder, path) = file("epochs = 3\n\n[optim]\nweigth_decay = 0.1\n");
    assert_eq!(
        message(&[&path]),
        format!("{path}:4: unknown key optim.weigth_decay; did you mean optim.weight_decay?")
    );
    assert_eq!(
        message(&["epoch=3"]),
        "command line: unknown key epoch; did you mean epochs?"
    );
    assert_eq!(
        message(&["teacher_temp=0.1"]),
        "command line: unknown key teacher_temp; did you mean dino.teacher_temp?"
    );
    assert_eq!(
        message(&["zzzzzzzzzzzz=1"]),
        "command line: unknown key zzzzzzzzzzzz; `sslight pretrain --help` lists all keys"
    );
}

#[test]
fn a_group_is_no_key_and_names_its_keys() {
    assert_eq!(
        message(&["checkpoint=3"]),
        "command line: unknown key checkpoint; did you mean checkpoint.every, checkpoint.every_steps or checkpoint.every_minutes?"
    );
}

#[test]
fn a_wrong_type_names_the_key_the_type_and_where_it_stands() {
    assert_eq!(
        message(&["epochs=ten"]),
        "command line: epochs must be an integer, got \"ten\" (text)"
    );
    assert_eq!(
        message(&["epochs=1.5"]),
        "command line: epochs must be an integer, got 1.5 (a number)"
    );
    assert_eq!(
        message(&["max_steps=soon"]),
        "command line: max_steps must be \"none\" or an integer, got \"soon\" (text)"
    );
    assert_eq!(
        message(&["views.blur=[1, 0]"]),
        "command line: views.blur must be a list of 3 numbers, got [1, 0] (a list)"
    );
    assert_eq!(
        message(&["dino.use_bn=1"]),
        "command line: dino.use_bn must be true or false, got 1 (an integer)"
    );
    let (_folder, path) = file("data = 3\n");
    assert_eq!(
        message(&[&path]),
        format!("{path}:1: data must be text (path), got 3 (an integer)")
    );
}

#[test]
fn an_unknown_word_names_the_vocabulary_and_the_nearest() {
    assert_eq!(
        message(&["method=dyno"]),
        "command line: method has no value \"dyno\", only dino, swav, moco, simclr, supervised; did you mean dino?"
    );
    assert_eq!(
        message(&["backbone=resnet-18"]),
        "command line: backbone has no value \"resnet-18\", only mobilenet_v2, resnet18, resnet34, resnet50, \
         vit_tiny_16, vit_tiny_32, vit_small_16; did you mean resnet18?"
    );
}

#[test]
fn values_that_no_run_can_have_are_refused_with_what_is_allowed() {
    let refused = [
        (
            "batch_size=0",
            "batch_size is 0, but must be an integer of at least 1",
        ),
        (
            "batch_size=-4",
            "batch_size is -4, but must be an integer of at least 1",
        ),
        (
            "epochs=0",
            "epochs is 0, but must be an integer of at least 1",
        ),
        (
            "max_steps=0",
            "max_steps is 0, but must be \"none\" or an integer of at least 1",
        ),
        (
            "seed=-1",
            "seed is -1, but must be an integer of at least 0",
        ),
        (
            "views.local.size=0",
            "views.local.size is 0, but must be an integer of at least 1",
        ),
        (
            "views.locals=-1",
            "views.locals is -1, but must be an integer of at least 0",
        ),
        (
            "views.flip=1.5",
            "views.flip is 1.5, but must be a number from 0 to 1",
        ),
        (
            "views.flip=nan",
            "views.flip is nan, but must be a number from 0 to 1",
        ),
        (
            "views.blur=[0, 0, 2]",
            "views.blur is [0, 0, 2], but must be 3 numbers from 0 to 1",
        ),
        (
            "views.std=[1, 1, 0]",
            "views.std is [1, 1, 0], but must be 3 numbers above 0",
        ),
        (
            "views.jitter.hue=0.6",
            "views.jitter.hue is 0.6, but must be a number from 0 to 0.5",
        ),
        (
            "views.global.scale=[0.5, 0.3]",
            "views.global.scale is [0.5, 0.3], but must be [min, max] with 0 < min <= max <= 1",
        ),
        (
            "views.local.scale=[0, 0.3]",
            "views.local.scale is [0, 0.3], but must be [min, max] with 0 < min <= max <= 1",
        ),
        (
            "optim.base_lr=-1",
            "optim.base_lr is -1, but must be a number 0 or above",
        ),
        (
            "optim.base_lr=inf",
            "optim.base_lr is inf, but must be a number 0 or above",
        ),
        (
            "optim.momentum=1",
            "optim.momentum is 1, but must be a number from 0 to below 1",
        ),
        (
            "optim.milestones=[3, 3]",
            "optim.milestones is [3, 3], but must be increasing integers from 1",
        ),
        (
            "dino.student_temp=0",
            "dino.student_temp is 0, but must be a number above 0",
        ),
        (
            "loss.alpha=-0.1",
            "loss.alpha is -0.1, but must be \"auto\" or a number from 0 to 1",
        ),
        (
            "loss.alpha=1.1",
            "loss.alpha is 1.1, but must be \"auto\" or a number from 0 to 1",
        ),
        (
            "dino.teacher_temp=0",
            "dino.teacher_temp is 0, but must be a number above 0",
        ),
        (
            "swav.epsilon=0",
            "swav.epsilon is 0, but must be a number above 0",
        ),
        (
            "swav.prototypes=1",
            "swav.prototypes is 1, but must be \"auto\" or an integer of at least 2",
        ),
        (
            "moco.ema_momentum=2",
            "moco.ema_momentum is 2, but must be a number from 0 to 1",
        ),
        (
            "model.drop_path=1",
            "model.drop_path is 1, but must be a number from 0 to below 1",
        ),
        (
            "eval.crop=64",
            "eval.crop is 64, but must be at most eval.resize = 48",
        ),
    ];
    for (word, expected) in refused {
        assert_eq!(message(&[word]), format!("command line: {expected}"));
    }
}

#[test]
fn views_that_are_no_multiple_of_a_patch_are_refused() {
    assert_eq!(
        message(&["data=d", "backbone=vit_tiny_32", "views.local.size=31"]),
        "command line: views.local.size is 31, but must be a multiple of 32, the patch of vit_tiny_32, such as 32"
    );
    assert_eq!(
        message(&["data=d", "backbone=vit_tiny_16", "eval.crop=200"]),
        "command line: eval.crop is 200, but must be a multiple of 16, the patch of vit_tiny_16, such as 192 or 208"
    );
    resolved(&[
        "data=d",
        "backbone=vit_tiny_32",
        "views.local.size=31",
        "views.locals=0",
    ]);
}

#[test]
fn parts_that_do_not_divide_the_batch_name_a_number_that_does() {
    assert_eq!(
        message(&["data=d", "batch_size=64", "accumulate=6"]),
        "command line: accumulate is 6, but must be a divisor of batch_size = 64, such as 4"
    );
    assert_eq!(
        message(&["data=d", "batch_size=4", "accumulate=8"]),
        "command line: accumulate is 8, but must be a divisor of batch_size = 4, such as 4"
    );
    assert_eq!(resolved(&["data=d", "accumulate=8"]).config.accumulate, 8);
}

#[test]
fn parts_of_one_image_are_refused_where_images_are_compared_with_each_other() {
    let words = |method| ["data=d", "batch_size=8", "accumulate=8", method];
    assert_eq!(
        message(&words("method=simclr")),
        "command line: accumulate is 8, but must be at most batch_size / 2 = 4 with method = simclr, which compares \
         the images of a part with each other"
    );
    assert!(message(&words("method=swav")).contains("with method = swav"));
    resolved(&words("method=dino"));
    assert_eq!(
        message(&["data=d", "batch_size=1", "method=simclr"]),
        "command line: batch_size is 1, but must be at least 2 with method = simclr, which compares the images of a \
         batch with each other"
    );
}

#[test]
fn a_moco_queue_that_does_not_hold_a_batch_is_refused() {
    let words = ["data=d", "method=moco", "moco.queue_length=512"];
    assert_eq!(
        message(&words),
        "command line: moco.queue_length is 512, but must be at least batch_size = 1024, or auto"
    );
    // The ring is written around its end, so it need not be a multiple of the batch.
    let odd = resolved(&["data=d", "method=moco", "moco.queue_length=1500"]);
    assert!(odd.warnings.is_empty());
    // The keys of other methods are not judged.
    resolved(&["data=d", "method=dino", "moco.queue_length=512"]);
}

#[test]
fn a_swav_queue_is_cut_to_whole_batches_with_a_warning() {
    let queue = |length: &str| {
        let resolved = resolved(&["data=d", "method=swav", length]);
        (resolved.config.swav_queue_length(1), resolved.warnings)
    };
    let warning = "swav.queue_length = 3840 is no multiple of batch_size = 1024; 3072 are used";
    assert_eq!(
        queue("swav.queue_length=3840"),
        (3072, vec![warning.to_owned()])
    );
    let warning = "swav.queue_length = 100 does not hold a batch of 1024; there will be no queue";
    assert_eq!(
        queue("swav.queue_length=100"),
        (0, vec![warning.to_owned()])
    );
    assert_eq!(queue("swav.queue_length=2048"), (2048, vec![]));
    assert_eq!(queue("swav.queue_length=0"), (0, vec![]));
}

#[test]
fn settings_of_methods_that_do_nothing_are_warned_about() {
    let warnings = |words: &[&str]| resolved(&[&["data=d"], words].concat()).warnings;
    assert_eq!(
        warnings(&["method=moco", "moco.global_only=true"]),
        ["moco.global_only = true looks at no local views; views.locals = 6 are not drawn"]
    );
    assert_eq!(
        warnings(&["views.locals=0", "loss.alpha=0.3"]),
        ["loss.alpha = 0.3 weighs global against local views, of which there are none; 1 is used"]
    );
    assert_eq!(
        warnings(&["backbone=mobilenet_v2", "model.drop_path=0.5"]),
        ["model.drop_path = 0.5 does nothing in mobilenet_v2, which has no stochastic depth"]
    );
    assert_eq!(
        warnings(&["method=supervised", "probe=true"]),
        ["probe = true adds nothing to method = supervised, which trains a classifier anyway"]
    );
    assert_eq!(
        warnings(&["method=swav", "batch_size=32"]),
        [
            "optim.start_warmup_lr = 0.075 is above the peak learning rate 0.0375; the rate will fall during the warm-up"
        ]
    );
    assert_eq!(
        warnings(&["method=swav", "epochs=1", "swav.queue_start_epoch=15"]),
        [
            "swav.freeze_prototypes_epochs = 1 covers the run of 1 epochs; the prototypes will never be trained",
            "swav.queue_start_epoch = 15 is behind the run of 1 epochs; there will be no queue",
        ]
    );
}

#[test]
fn labels_are_asked_for_where_they_are_needed() {
    let unlabelled = DataFacts {
        images: 5000,
        classes: 0,
    };
    let refused = |words: &[&str]| resolved(words).fit(unlabelled).unwrap_err().to_string();
    assert_eq!(
        refused(&["data=d", "probe=true"]),
        "command line: probe is true, but must be false for images without labels; \
         labels are one folder of images for each class"
    );
    assert_eq!(
        refused(&["data=d", "method=supervised"]),
        "command line: method is supervised, but must be one of dino, swav, moco, simclr for images without labels; \
         labels are one folder of images for each class"
    );
    let labelled = DataFacts {
        classes: 10,
        ..unlabelled
    };
    let resolved = resolved(&["data=d", "probe=true"]);
    assert_eq!(resolved.fit(labelled).unwrap(), Vec::<String>::new());
}

#[test]
fn prototypes_and_queues_beyond_the_images_are_refused_with_what_would_do() {
    let data = DataFacts {
        images: 2000,
        classes: 0,
    };
    let refused = |words: &[&str]| {
        let words = [&["data=d", "batch_size=64"], words].concat();
        resolved(&words).fit(data).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[
            "method=swav",
            "swav.prototypes=3000",
            "swav.queue_length=3840"
        ]),
        "command line: swav.prototypes is 3000, but must be at most 2000, the number of training images; \
         auto would be 200\n\
         command line: swav.queue_length is 3840, but must be at most 2000, the number of training images; \
         auto would be 200"
    );
    assert_eq!(
        refused(&["method=moco", "moco.queue_length=65536"]),
        "command line: moco.queue_length is 65536, but must be at most 2000, the number of training images; \
         auto would be 512"
    );
    let large = resolved(&[
        "data=d",
        "batch_size=64",
        "method=moco",
        "moco.queue_length=1500",
    ]);
    assert_eq!(
        large.fit(data).unwrap(),
        [
            "moco.queue_length = 1500 is more than half of the 2000 training images, so that many queries will be \
             told from keys of their own image; moco.queue_length = 512 would not"
        ]
    );
}

#[test]
fn weights_of_zero_on_both_kinds_of_pairs_are_refused() {
    assert_eq!(
        message(&["loss.alpha=0", "loss.beta=0"]),
        "command line: loss.alpha is 0, but must be above 0 when loss.beta is 0, or nothing is learned"
    );
}

#[test]
fn weights_to_start_from_and_an_exact_resume_exclude_each_other() {
    assert_eq!(
        message(&["init=a.safetensors", "resume=runs/a"]),
        "command line: init cannot be combined with resume=runs/a; \
         an exact resume brings its own weights, so drop one of the two"
    );
    resolved(&["init=a.safetensors", "resume=auto"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let (_folder, path) = file("epochs = \"many\"\nseeds = 1\n");
    assert_eq!(
        message(&[&path, "batch_size=0"]),
        format!(
            "{path}:1: epochs must be an integer, got \"many\" (text)\n\
             {path}:2: unknown key seeds; did you mean seed?\n\
             command line: batch_size is 0, but must be an integer of at least 1"
        )
    );
}

#[test]
fn words_without_an_equals_sign_are_told_how_to_be_written() {
    assert_eq!(
        message(&["epochs", "5"]),
        "command line: \"epochs\" is neither a configuration nor key=value; write epochs=VALUE"
    );
    assert_eq!(
        message(&["optim"]),
        "command line: \"optim\" is neither a configuration nor key=value; \
         optim is a group of keys, write optim.KEY=VALUE"
    );
    assert_eq!(
        message(&["paper/dino-resnet18-sslite"]),
        "command line: \"paper/dino-resnet18-sslite\" is neither a configuration nor key=value; \
         did you mean paper/dino-resnet18-sslight, paper/dino-resnet18-baseline or paper/dino-resnet34-sslight?"
    );
    assert_eq!(
        message(&["qqqq"]),
        "command line: \"qqqq\" is neither a configuration nor key=value; see `sslight list configs`"
    );
}

#[test]
fn a_missing_file_and_broken_toml_are_named_with_their_place() {
    let missing = message(&["no/such.toml"]);
    assert!(
        missing.starts_with("no/such.toml: cannot read this configuration (")
            && missing.ends_with("); check the path, or see `sslight list configs`"),
        "{missing}"
    );
    let (_folder, path) = file("epochs = 3\nbatch_size =\n");
    let broken = message(&[&path]);
    assert!(
        broken.starts_with(&format!("{path}:2: not valid TOML: ")),
        "{broken}"
    );
    assert!(!broken.contains('\n'), "{broken}");
}

#[test]
fn tables_that_are_no_group_are_refused_even_when_empty() {
    let (_folder, path) = file("[optimiser]\n");
    assert_eq!(
        message(&[&path]),
        format!(
            "{path}:1: unknown key optimiser; did you mean optim.base_lr, optim.min_lr or optim.eps?"
        )
    );
    let (_folder, path) = file("[[views]]\nlocals = 3\n");
    assert!(
        message(&[&path]).starts_with(&format!("{path}:1: unknown key views; did you mean views."))
    );
}

#[test]
fn a_run_without_data_is_refused_and_a_look_at_it_is_not() {
    let resolved = resolved(&["paper/dino-mobilenet_v2-sslight"]);
    assert_eq!(
        resolved.require_data().unwrap_err().to_string(),
        "data is not set; give data=PATH, or data=embedded for the built-in images"
    );
}
