use std::sync::mpsc::sync_channel;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

fn start() -> StartInfo {
    StartInfo {
        title: "dino resnet18 sslight".to_owned(),
        backend: "flex".to_owned(),
        data: "embedded Fashion-MNIST".to_owned(),
        images: 4000,
        parameters: 11_176_512,
        out: "runs/demo".into(),
        first_step: 0,
        steps_per_epoch: 62,
        total_steps: 620,
        epochs: 10,
    }
}

fn state(keys: &[&str]) -> State {
    let mut state = State::new(Leaving::Stops);
    state.start(start());
    for step in 0..100 {
        state.numbers(&Numbers {
            step,
            done: step + 1,
            values: keys
                .iter()
                .map(|key| ((*key).to_owned(), 1.0 / (step + 1) as f64))
                .collect(),
            is_history: false,
        });
    }
    state.message(Level::Info, "scoring raw pixels".to_owned());
    state.message(Level::Warning, "something is odd".to_owned());
    state
}

const ALL: &[&str] = &[
    "loss",
    "loss_global",
    "loss_local",
    "knn_top1",
    "probe_top1",
    "lr",
    "images_per_s",
    "feature_std",
    "grad_norm",
    "data_wait",
    "target_entropy",
    "unheard_of",
];

fn screen_of(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw::draw(frame, state, Theme::new(true)))
        .unwrap();
    terminal.backend().to_string()
}

/// Graphs whose frame is on the screen.
fn graphs(screen: &str) -> usize {
    screen.matches('┌').count()
}

#[test]
fn every_size_is_drawn_without_a_panic_in_every_view() {
    let mut full = state(ALL);
    let mut empty = State::new(Leaving::Leaves);
    for (width, height) in [
        (1, 1),
        (2, 40),
        (40, 2),
        (30, 12),
        (31, 17),
        (80, 24),
        (200, 60),
        (500, 9),
    ] {
        for view in [View::All, View::One(0), View::One(99), View::Messages] {
            for asks in [false, true] {
                for state in [&mut full, &mut empty] {
                    (state.view, state.asks) = (view, asks);
                    screen_of(state, width, height);
                }
            }
        }
    }
}

#[test]
fn a_small_terminal_shows_the_most_important_graphs_and_a_large_one_all() {
    let state = state(ALL);
    let small = screen_of(&state, 80, 24);
    assert_eq!(graphs(&small), 4, "{small}");
    for expected in [
        "dino resnet18 sslight",
        "4,000 images",
        "step 100/620",
        "epoch 2/10",
        "1 loss",
        "2 accuracy",
    ] {
        assert!(small.contains(expected), "{expected}: {small}");
    }
    assert!(small.contains("something is odd"), "{small}");
    let large = screen_of(&state, 200, 60);
    assert_eq!(graphs(&large), 9, "{large}");
    assert!(large.contains("unheard of"), "{large}");
}

#[test]
fn graphs_are_arranged_in_a_good_shape() {
    let arrange = |graphs, width, height| {
        let (shown, columns) = draw::arrange(graphs, width, height);
        (shown, columns, shown.div_ceil(columns))
    };
    assert_eq!(arrange(5, 200, 44), (5, 3, 2));
    assert_eq!(arrange(9, 80, 15), (4, 2, 2));
    assert_eq!(arrange(1, 200, 44), (1, 1, 1));
    assert_eq!(arrange(3, 30, 5), (1, 1, 1));
}

#[test]
fn an_enlarged_graph_is_the_only_one() {
    let mut state = state(ALL);
    state.enlarge(1);
    let screen = screen_of(&state, 100, 30);
    assert_eq!(graphs(&screen), 1, "{screen}");
}

#[test]
fn numbers_that_a_run_lacks_have_no_graph_and_no_zero() {
    let mut state = state(&["loss"]);
    state.numbers(&Numbers {
        step: 100,
        done: 101,
        values: vec![
            ("knn_top1".to_owned(), f64::NAN),
            ("loss".to_owned(), f64::NAN),
        ],
        is_history: false,
    });
    let screen = screen_of(&state, 120, 40);
    assert!(!screen.contains("accuracy"), "{screen}");
    assert!(screen.contains("loss  0.0100"), "{screen}");
    assert_eq!(graphs(&screen), 1);
}

#[test]
fn without_colours_there_is_none_and_curves_differ_by_their_signs() {
    let state = state(ALL);
    let mut terminal = Terminal::new(TestBackend::new(160, 50)).unwrap();
    terminal
        .draw(|frame| draw::draw(frame, &state, Theme::new(false)))
        .unwrap();
    let cells = terminal.backend().buffer().content();
    let none = ratatui::style::Color::Reset;
    assert!(cells.iter().all(|cell| cell.fg == none && cell.bg == none));
    assert!(terminal.backend().to_string().contains("•global"));
}

fn shown(leaving: Leaving) -> Shown {
    Shown {
        state: State::new(leaving),
        stop: StopHandle::new(),
        unprinted: Vec::new(),
    }
}

#[test]
fn q_asks_before_a_run_is_stopped_and_not_before_a_watcher_leaves() {
    let press = |shown: &mut Shown, letter| {
        shown.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
    };
    let mut trainer = shown(Leaving::Stops);
    press(&mut trainer, 'q');
    assert!(trainer.state.asks && !trainer.stop.is_requested());
    press(&mut trainer, 'n');
    assert!(!trainer.state.asks && !trainer.stop.is_requested());
    press(&mut trainer, 'y');
    assert!(!trainer.stop.is_requested(), "nobody asked");
    press(&mut trainer, 'q');
    press(&mut trainer, 'y');
    assert!(trainer.stop.is_requested());
    assert!(trainer.state.standing.text.contains("stopping"));
    let mut watcher = shown(Leaving::Leaves);
    press(&mut watcher, 'q');
    assert!(watcher.stop.is_requested());
}

#[test]
fn an_interrupt_stops_the_run_and_is_explained() {
    let mut trainer = shown(Leaving::Stops);
    trainer.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(trainer.stop.is_requested());
    assert!(
        trainer
            .state
            .messages
            .iter()
            .any(|(_, text)| text.contains("interrupt again"))
    );
}

#[test]
fn before_a_run_starts_the_terminal_is_left_alone() {
    let (sender, receiver) = sync_channel(WAITING);
    let mut shown = shown(Leaving::Stops);
    sender
        .send(Message::Said(Level::Warning, "early".to_owned()))
        .unwrap();
    sender.send(Message::Close).unwrap();
    shown.run(&receiver, sender).unwrap();
    assert!(!screen::is_up());
    assert_eq!(shown.state.messages.len(), 1);
}
