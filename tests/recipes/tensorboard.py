"""TensorBoard reads what a run wrote, and every number is that of metrics.jsonl, each step once.

    python3 tests/recipes/tensorboard.py RUN [RUN ...]
    python3 tests/recipes/tensorboard.py --train target/release/sslight

The first form reads run folders. The second trains a small network in a folder that is removed afterwards, interrupts it, continues
it, and kills and continues it once more, so that steps are repeated; then it reads that run. The reader is TensorBoard's own
EventAccumulator. Needs the package of tests/recipes/tensorboard.txt. Ends with 1 if a number differs or a step is missing or twice.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# This file has the name of the package that it needs.
sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]

import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# Keys of metrics.jsonl that say where a line belongs.
PLACES = ("kind", "step", "epoch")
# Numbers of an epoch under keys that a step has too.
OF_EPOCH = {"loss": "loss_of_epoch", "feature_std": "feature_std_of_epoch", "seconds": "seconds_of_epoch"}


def numbers(fields, path=()):
    """Names and values of all numbers, those of objects below their keys."""
    for key, value in fields.items():
        if isinstance(value, dict):
            yield from numbers(value, (*path, key))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield "/".join((*path, key)), float(value)


def expected(run):
    """By name of the scalar, without its group: values by step."""
    scalars = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        fields = json.loads(line)
        if fields["kind"] not in ("step", "epoch"):
            continue
        for name, value in numbers({k: v for k, v in fields.items() if k not in PLACES}):
            if fields["kind"] == "epoch":
                name = OF_EPOCH.get(name, name)
            steps = scalars.setdefault(name, {})
            assert fields["step"] not in steps, f"metrics.jsonl has {name} of step {fields['step']} twice"
            steps[fields["step"]] = value
    return scalars


def compare(run):
    files = sorted(path.name for path in run.glob("events.out.tfevents.*"))
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    wanted = expected(run)
    found = {tag.split("/", 1)[1]: tag for tag in tags["scalars"]}
    failures = [f"{name}: not in TensorBoard's files" for name in wanted.keys() - found.keys()]
    failures += [f"{found[name]}: not in metrics.jsonl" for name in found.keys() - wanted.keys()]
    count = 0
    for name in sorted(wanted.keys() & found.keys()):
        events = accumulator.Scalars(found[name])
        steps = [event.step for event in events]
        if steps != sorted(wanted[name]):
            failures.append(f"{found[name]}: steps {steps}, not {sorted(wanted[name])}")
            continue
        for event in events:
            # TensorBoard keeps 32-bit floats.
            if numpy.float32(wanted[name][event.step]) != numpy.float32(event.value):
                failures.append(f"{found[name]} of step {event.step}: {event.value}, not {wanted[name][event.step]}")
        count += len(events)
    print(f"{run.name}: {len(files)} event files, {len(found)} scalars, {count} values, texts {sorted(tags['tensors'])}")
    for name in sorted(found):
        print(f"  {found[name]:28} {len(accumulator.Scalars(found[name]))} values")
    for failure in failures:
        print(f"  DIFFERS {failure}")
    return not failures and bool(found)


def train(program, folder):
    """A run that was interrupted, continued, killed and continued."""
    out = folder / "run"
    words = [program, "pretrain", "debug/tiny", f"out={out}", "train_fraction=0.02", "max_steps=40", "epochs=20",
             "log_every=1", "eval.knn_every=1"]
    metrics = out / "metrics.jsonl"

    def steps():
        text = metrics.read_text() if metrics.exists() else ""
        return text.count('"kind":"step"')

    for number, (sign, until) in enumerate(((signal.SIGINT, 7), (signal.SIGKILL, 19))):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while process.poll() is None and steps() < until:
            time.sleep(0.005)
        process.send_signal(sign)
        print(f"part {number + 1}: {sign.name} after {steps()} steps, ended with {process.wait()}")
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", metavar="PROGRAM")
    parser.add_argument("runs", nargs="*", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = options.runs + ([train(options.train, Path(folder))] if options.train else [])
        if not runs:
            parser.error("give run folders or --train PROGRAM")
        results = [compare(run) for run in runs]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
