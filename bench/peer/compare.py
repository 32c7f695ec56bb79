"""Runs `sslight bench` and PyTorch alternately, A B A B, and prints the ratio of their times and of their memory.

    python bench/peer/compare.py [--pairs N] [--only NAME] [--binary PATH]

Each measurement is a process of its own, one at a time: PyTorch's threads wait on each other when anything else runs.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

# A step is measured as it is in the middle of training: the first ones still touch new memory, with either program.
STEPS = ["--warmup", "2", "--steps", "5"]

# What is compared: a name, our words, the peer's.
STEP = ["data=embedded", "batch_size=8", "workers=1", "--fixed-views", *STEPS, "--json"]
CASES = [
    (
        f"{network} step",
        ["bench", "step", f"paper/dino-{network}-sslight", *STEP],
        ["step", "--backbone", network, "--locals", locals_, "--out-dim", out_dim, *STEPS],
    )
    for network, locals_, out_dim in [
        ("mobilenet_v2", "6", "4096"),
        ("resnet18", "6", "4096"),
        ("vit_tiny_16", "10", "65536"),
    ]
] + [
    (
        f"{network} inference",
        ["bench", "inference", f"backbone={network}", "batch_size=8", "views.global.size=224", "--steps", "9", "--json"],
        ["inference", "--backbone", network, "--steps", "9"],
    )
    for network in ["mobilenet_v2", "resnet18"]
]


def run(command):
    """The JSON that a program prints."""
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{result.stderr}")
    return json.loads(result.stdout)


def spread(values):
    """Median, and the smallest and largest value."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    parser.add_argument("--binary", default=ROOT / "target" / "release" / "sslight")
    args = parser.parse_args()
    print(f"medians of {args.pairs} pairs (smallest to largest), two threads, f32, batch 8")
    print("| | sslight, s | PyTorch, s | ratio | sslight, GB | PyTorch, GB | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, ours, peer in CASES:
        if args.only not in name:
            continue
        pairs = []
        for _ in range(args.pairs):
            pairs.append((run([args.binary, *ours]), run([sys.executable, HERE / "step.py", *peer])))
        times = [(a["step_seconds"], b["step_seconds"]) for a, b in pairs]
        memory = [(a["peak_bytes"] / 1e9, b["peak_bytes"] / 1e9) for a, b in pairs]
        cells = [name]
        for values in (times, memory):
            cells += [spread([a for a, _ in values]), spread([b for _, b in values])]
            cells += [spread([a / b for a, b in values])]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
