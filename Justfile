# Every recipe is one cargo command, so nothing needs `just`; it only saves typing.

# List the recipes.
default:
    @just --list --unsorted

# Pre-train: any configuration and key=value words; backend=cuda and backend=wgpu build what they need.
pretrain *words:
    cargo run --release {{ if words =~ '(^|\s)backend=cuda(\s|$)' { "--features cuda" } else if words =~ '(^|\s)backend=wgpu(\s|$)' { "--features wgpu" } else { "" } }} -- pretrain {{ words }}

# Pre-train at each point of a sweep, with the same words.
sweep *words:
    cargo run --release {{ if words =~ '(^|\s)backend=cuda(\s|$)' { "--features cuda" } else if words =~ '(^|\s)backend=wgpu(\s|$)' { "--features wgpu" } else { "" } }} -- sweep {{ words }}

# Completions and manual pages for the user's own bash, zsh and fish; zsh needs `fpath+=~/.zfunc` before `compinit`.
install-shell:
    mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions
    cargo run --release -- completions bash > ~/.local/share/bash-completion/completions/sslight
    cargo run --release -- completions zsh > ~/.zfunc/_sslight
    cargo run --release -- completions fish > ~/.config/fish/completions/sslight.fish
    cargo run --release -- man --dir ~/.local/share/man/man1

# All tests.
test *words:
    cargo test --release --workspace {{ words }}

# The tests that take too long for every change.
test-slow *words:
    cargo test --release --workspace {{ words }} -- --ignored

# Two steps on wgpu have the losses of flex; needs a Vulkan driver (Debian: mesa-vulkan-drivers, which is software).
test-wgpu:
    cargo test --release --features wgpu --test it -- --ignored --nocapture two_steps_have_the_losses_of_flex

# Every kernel once under valgrind, which must find no access outside an allocation and no use of memory that nobody wrote.
# It hides AVX-512, which it does not know: checked are the kernels for AVX2 and the baseline. What threads keep until the
# process ends is no leak, so that leaks are not looked for.
memcheck:
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --leak-check=no --error-exitcode=1" cargo test --release --workspace --test memory_safety --test instruction_set -- --nocapture

# What CI asks of the source: format, lints, documentation, GPU back ends.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo check --features cuda
    cargo check --features wgpu

# Measure the training kernels against burn's own.
bench *words:
    cargo bench -p sslight-kernels {{ words }}

# Measure ours and PyTorch alternately; needs Python with bench/peer/requirements.txt.
bench-peer *words:
    cargo build --release
    python3 bench/peer/compare.py {{ words }}

# Measure the kNN search against scikit-learn and faiss, in turn; needs Python with bench/peer/requirements.txt.
bench-knn *words:
    cargo build --release
    python3 bench/peer/compare_knn.py {{ words }}

# Views beside Pillow and torchvision, in turn; of the JPEG files of a folder, or of photos that are made.
bench-peer-views python="python3" *arguments:
    cargo build --release
    {{ python }} bench/peer/compare_views.py {{ arguments }}

# A run over a folder of a million files: time until its steps, memory. The files are links and take no room.
bench-million python="python3":
    cargo build --release
    {{ python }} bench/million_files.py target/release/sslight

# torchvision's ImageNet MobileNetV2 on 20 photos, against PyTorch; needs Python with torch and torchvision, and PyPI.
imagenet-photos python="python3":
    cargo build --release
    {{ python }} tests/recipes/imagenet_photos.py target/release/sslight

# Aerial photographs of trees with boxes, split by scene, for `sslight detect` (docs/results.md); needs Python with Pillow, and PyPI.
tree-photos out python="python3":
    {{ python }} tests/recipes/tree_photos.py {{ out }}

# Random inputs for a reader, ten minutes by default: of weights (safetensors, pytorch_zip, pytorch_legacy, pickle), of image
# files (picture) or of what holds images (tar, hdf5, parquet, list, idx, cifar).
# Needs `cargo install cargo-fuzz` and a C++ compiler; on stable Rust there is no sanitizer, and the targets count memory
# themselves. What it learns is kept in fuzz/corpus, what fails in fuzz/artifacts.
fuzz target seconds="600":
    mkdir -p fuzz/corpus/{{ target }}
    cargo fuzz run -s none {{ target }} fuzz/corpus/{{ target }} {{ if path_exists('fuzz/seeds/' + target) == 'true' { 'fuzz/seeds/' + target } else { 'sslight-data/tests/data' } }} -- -dict=fuzz/dictionaries/{{ target }}.dict -max_len=65536 -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_total_time={{ seconds }}

# Kill runs (SIGKILL) at random instants, again and again, and compare with one that was left alone: three methods, one and four workers.
soak kills="50" seed="7":
    SSLIGHT_SOAK_KILLS={{ kills }} SSLIGHT_SOAK_SEED={{ seed }} cargo test --release --workspace --test it runs_that_are_killed -- --nocapture

# Compare with the golden numbers, on a backend.
selftest backend="flex":
    cargo run --release -- selftest tests/fixtures backend={{ backend }}

# Weights go out to torchvision, timm and ONNX Runtime and come back; needs Python with tests/recipes/requirements.txt.
round-trip *words:
    cargo build --release
    python3 tests/recipes/round_trip.py {{ words }}

# The page of `sslight report` in headless Chromium: one run, and several; needs Node, `chromium`, and
# `npm install --prefix tests/recipes`.
report-page one several screenshots="":
    node tests/recipes/report_page.mjs {{ one }} {{ several }} {{ screenshots }}

# A run that is interrupted, killed and continued, read by TensorBoard; needs Python with tests/recipes/tensorboard.txt.
tensorboard python="python3":
    cargo build --release
    {{ python }} tests/recipes/tensorboard.py --train target/release/sslight

# API documentation.
docs:
    cargo doc --workspace --no-deps
