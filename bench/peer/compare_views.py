"""Runs `sslight bench views` with one worker, `bench/peer/views.py` and ours with two workers in turn.

    python bench/peer/compare_views.py [FOLDER] [--rounds N] [--images N] [--binary PATH]

FOLDER has JPEG files; without one, photos of 500 x 375 pixels are made. Each measurement is a process of its own.
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np
from compare import HERE, ROOT, run, spread
from PIL import Image

SIZE, PHOTOS = (500, 375), 480


def photos(folder):
    """Smooth colours with edges and grain, so that the files are about as large as photographs of their size."""
    rng = np.random.default_rng(0)
    for index in range(PHOTOS):
        small = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
        for _ in range(12):
            x, y = rng.integers(0, SIZE[0] - 40), rng.integers(0, SIZE[1] - 40)
            image[y : y + rng.integers(10, 120), x : x + rng.integers(10, 120)] //= 2
        image = image + rng.normal(0, 6, image.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{index:03}.jpg", quality=90)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=480)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "sslight")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder
        if folder is None:
            folder = temporary
            photos(pathlib.Path(temporary))
        ours = [args.binary, "bench", "views", "paper/dino-mobilenet_v2-sslight", f"data={folder}", "batch_size=8",
                "--images", str(args.images), "--json"]
        peer = [sys.executable, HERE / "views.py", str(folder), "--images", str(args.images)]
        one, two, theirs = [], [], []
        for _ in range(args.rounds):
            one.append(1e3 * run([*ours, "workers=1"])["seconds_per_image"])
            theirs.append(1e3 * run(peer)["seconds_per_image"])
            two.append(1e3 * run([*ours, "workers=2"])["seconds_per_image"])
    print(f"2 x 224 and 6 x 128 pixels, medians of {args.rounds} rounds (smallest to largest)")
    print(f"sslight, one worker   {spread(one)} ms an image")
    print(f"Pillow, torchvision   {spread(theirs)} ms an image, ratio {spread([a / b for a, b in zip(one, theirs)])}")
    print(f"sslight, two workers  {spread(two)} ms an image, {spread([a / b for a, b in zip(one, two)])} times as fast")


if __name__ == "__main__":
    main()
