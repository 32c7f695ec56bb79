"""Golden numbers of resizing: a small picture, larger and smaller, by Pillow's bilinear filter.

Needs Pillow, numpy and safetensors. Run: python resize.py, which writes resize.png and resize.safetensors beside it.
"""

import pathlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 37, 29


def main():
    random = np.random.default_rng(3)
    picture = Image.fromarray(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    picture.save(HERE / "resize.png")
    tensors = {}
    for side in (12, 29, 48):
        # The shorter side is the height.
        width = int(side / HEIGHT * WIDTH + 0.5)
        resized = np.asarray(picture.resize((width, side), Image.BILINEAR))
        tensors[str(side)] = np.ascontiguousarray(resized.transpose(2, 0, 1))
    save_file(tensors, HERE / "resize.safetensors")


if __name__ == "__main__":
    main()
