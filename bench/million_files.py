"""A run over a folder of a million files: how long until its first step, and how much memory.

    python bench/million_files.py target/release/sslight [--files 1000000] [--folder /tmp/million]

The files are hard links to a small PNG a class, so that they take names and no room. A first run looks at all folders,
a second one uses the index that the first one kept.
"""

import argparse
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

CLASSES = 1000


def png(value):
    def chunk(kind, body):
        content = kind + body
        return struct.pack(">I", len(body)) + content + struct.pack(">I", zlib.crc32(content))

    row = b"\0" + bytes([value % 256, value // 4 % 256, 100]) * 32
    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 32)) + chunk(b"IEND", b"")


def make(folder, files):
    each = files // CLASSES
    for label in range(CLASSES):
        of_class = folder / f"n{label:08d}"
        of_class.mkdir(parents=True)
        first = of_class / f"n{label:08d}_{0:05d}.png"
        first.write_bytes(png(label))
        for number in range(1, each):
            os.link(first, of_class / f"n{label:08d}_{number:05d}.png")
    return each * CLASSES


def peak(pid):
    """The most memory of a process so far in MB; of Linux alone."""
    status = pathlib.Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), float("nan"))


def run(program, folder, cache):
    with tempfile.TemporaryDirectory() as out:
        words = [
            "pretrain", f"data={folder}", f"out={out}/run", "backbone=mobilenet_v2", "backend=flex", "batch_size=4",
            "max_steps=2", "epochs=1", "views.global.size=32", "views.local.size=32", "views.locals=0", "log_every=1",
            "dino.out_dim=64", "dino.hidden_dim=64", "eval.knn_every=0",
        ]
        started = time.time()
        process = subprocess.Popen(
            [program, *words], stdout=subprocess.PIPE, text=True, env=os.environ | {"SSLIGHT_CACHE": cache}
        )
        measured = None
        for line in process.stdout:
            if line.startswith("step 2/2"):
                measured = time.time() - started, peak(process.pid)
        assert process.wait() == 0 and measured is not None
        return measured


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir(), "sslight-million"))
    given = arguments.parse_args()
    if not given.folder.exists():
        count = make(given.folder, given.files)
        print(f"made {count} files in {given.folder}")
    cache = tempfile.mkdtemp()
    for name in ("first look", "kept index"):
        seconds, memory = run(given.program, given.folder, cache)
        print(f"{name}: {seconds:.2f} s for index, shuffle and two steps; peak memory until then {memory:.0f} MB")
    # With the evaluation at the end.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"peak memory of both runs to their ends {memory:.0f} MB")
    shutil.rmtree(cache)


if __name__ == "__main__":
    main()
