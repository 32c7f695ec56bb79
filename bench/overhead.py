"""What watching and saving cost: the same pre-training by two programs (or with and without words), in turn.

    python bench/overhead.py BEFORE AFTER [--rounds 3] [--steps 24] [--words ...]

Each round is a run of BEFORE and a run of AFTER: ResNet-18, batch 32, views of 224 and 96 px, a checkpoint a minute where the
program has such a key. A run's figure is the median time between the reports of single steps, and the mean over all of them,
which has the checkpoints in it. The first steps are left out.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import struct
import subprocess
import tempfile
import zlib

WORDS = [
    "backbone=resnet18", "batch_size=32", "workers=2", "log_every=1", "eval.knn_every=0", "views.locals=2",
    "views.local.size=96", "optim.warmup_epochs=0", "dino.out_dim=16384", "checkpoint.every=1000", "seed=1",
]
LEFT_OUT = 3


def png(number, size=256):
    def chunk(kind, body):
        content = kind + body
        return struct.pack(">I", len(body)) + content + struct.pack(">I", zlib.crc32(content))

    rows = b"".join(
        b"\0" + bytes(v for x in range(size) for v in ((x * number + y) % 256, (x + y * 3) % 256, (x ^ y) % 256))
        for y in range(size)
    )
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def knows(program, key):
    return key in subprocess.run([program, "pretrain", "--help"], capture_output=True, text=True, check=True).stdout


def run(program, data, out, steps, words):
    words = [*WORDS, f"data={data}", f"out={out}", f"max_steps={steps}", *words]
    if knows(program, "checkpoint.every_minutes"):
        words.append("checkpoint.every_minutes=1")
    subprocess.run([program, "pretrain", "--quiet", *words], check=True)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    seconds = [32 / line["images_per_s"] for line in lines if line["kind"] == "step"][LEFT_OUT:]
    saved = len(list((out / "checkpoints").glob("step-*")))
    bytes_ = sum(file.stat().st_size for file in (out / "checkpoints").glob("step-*/*")) / max(saved, 1)
    shutil.rmtree(out)
    return statistics.median(seconds), statistics.mean(seconds), bytes_


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--words", nargs="*", default=[], help="for AFTER alone")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    data = folder / "data"
    data.mkdir()
    for number in range(256):
        (data / f"{number:03}.png").write_bytes(png(number + 1))
    ratios = {"median": [], "mean": []}
    try:
        for round_ in range(arguments.rounds):
            before = run(arguments.before, data, folder / "before", arguments.steps, [])
            after = run(arguments.after, data, folder / "after", arguments.steps, arguments.words)
            ratios["median"].append(after[0] / before[0])
            ratios["mean"].append(after[1] / before[1])
            print(
                f"round {round_ + 1}: before {before[0]:.3f} s (mean {before[1]:.3f}), after {after[0]:.3f} s (mean {after[1]:.3f}), "
                f"ratio {after[0] / before[0]:.4f} (mean {after[1] / before[1]:.4f}), a checkpoint has {after[2] / 1e6:.0f} MB",
                flush=True,
            )
    finally:
        shutil.rmtree(folder)
    for name, values in ratios.items():
        print(f"ratio of the {name}s: {statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})")


if __name__ == "__main__":
    main()
