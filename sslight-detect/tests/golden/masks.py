"""Golden numbers of masks: targets of polygons by pycocotools, targets of bitmaps by torchvision, pasted masks by PyTorch.

Needs torch, torchvision, pycocotools and safetensors. Run: python masks.py, which writes masks.json and masks.safetensors beside it.

* `polygons`: polygons are moved to the box and scaled to the grid as detectron2 0.6 does it (sides are single-precision differences,
  the rest is double), then rasterised and merged. Targets are bits, row by row, as hexadecimal digits.
* `bitmaps`: RoIAlign (aligned, adaptive sampling) of a bitmap over the box; 1 from one half on, 2 where the mean is so near one half
  that rounding decides.
* `pastes`: grid_sample (bilinear, zeros, corners not aligned) at the centres of all pixels; coded in the same way.
"""

import json
import pathlib

import numpy as np
import pycocotools.mask
import torch
from safetensors.numpy import save_file
from torchvision.ops import roi_align

HERE = pathlib.Path(__file__).parent
SIDE = 28
NEAR = 1e-5


def polygon_target(polygons, box):
    box = np.asarray(box, np.float32)
    width, height = np.float32(box[2] - box[0]), np.float32(box[3] - box[1])
    across = SIDE / max(float(width), float(np.float32(0.1)))
    down = SIDE / max(float(height), float(np.float32(0.1)))
    moved = []
    for polygon in polygons:
        points = np.array(polygon, np.float64)
        points[0::2] = (points[0::2] - float(box[0])) * across
        points[1::2] = (points[1::2] - float(box[1])) * down
        moved.append(points.tolist())
    codes = pycocotools.mask.frPyObjects(moved, SIDE, SIDE)
    return pycocotools.mask.decode(pycocotools.mask.merge(codes)).astype(bool)


def coded(values):
    """0, 1, or 2 where rounding decides."""
    values = values.astype(np.float64)
    return np.where(np.abs(values - 0.5) < NEAR, 2, (values >= 0.5).astype(int)).astype(np.uint8)


def star(random, centre, radius, points):
    """A polygon without crossings, not convex."""
    angles = np.sort(random.uniform(0, 2 * np.pi, points))
    radii = radius * random.uniform(0.3, 1.0, points)
    x = centre[0] + radii * np.cos(angles)
    y = centre[1] + radii * np.sin(angles)
    return np.round(np.stack([x, y], 1).reshape(-1), 2).tolist()


def random_box(random, centre, radius):
    low = np.asarray(centre) - radius * random.uniform(0.2, 1.3, 2)
    high = np.asarray(centre) + radius * random.uniform(0.2, 1.3, 2)
    return np.concatenate([low, high]).astype(np.float32)


def polygon_cases(random):
    cases = []
    for case in range(60):
        # From a fraction of a pixel to a large object.
        radius = float([0.04, 0.4, 2.5, 12, 60, 300][case % 6])
        centre = random.uniform(50, 500, 2)
        polygons = [star(random, centre + random.normal(0, radius / 3, 2), radius, int(random.integers(3, 14)))
                    for _ in range(1 + case % 3)]
        box = random_box(random, centre, radius)
        if case % 10 == 9:
            # A box that is the polygon's own, on whole pixels.
            flat = np.array(sum(polygons, []))
            box = np.array([np.floor(flat[0::2].min()), np.floor(flat[1::2].min()),
                            np.ceil(flat[0::2].max()), np.ceil(flat[1::2].max())], np.float32)
        bits = np.packbits(polygon_target(polygons, box).reshape(-1)).tobytes().hex()
        cases.append({"polygons": polygons, "box": [float(v) for v in box], "bits": bits})
    return cases


def bitmap_cases(random, tensors):
    cases = []
    for case in range(12):
        width, height = int(random.integers(20, 90)), int(random.integers(20, 90))
        centre, radius = (width / 2, height / 2), min(width, height) / 2
        code = pycocotools.mask.merge(pycocotools.mask.frPyObjects([star(random, centre, radius, 9)], height, width))
        bitmap = pycocotools.mask.decode(code)
        box = random_box(random, centre, radius * [1.0, 0.1, 2.0][case % 3])
        boxes = torch.tensor([[0.0, *box.tolist()]])
        values = roi_align(torch.tensor(bitmap, dtype=torch.float32)[None, None], boxes, (SIDE, SIDE), 1.0, 0, True)
        tensors[f"bitmap.{case}"] = coded(values[0, 0].numpy())
        cases.append({"size": [height, width], "counts": code["counts"].decode(), "box": [float(v) for v in box]})
    return cases


def paste_cases(random, tensors):
    cases = []
    for case in range(14):
        width, height = int(random.integers(30, 80)), int(random.integers(30, 80))
        radius = [2.0, 12.0, 40.0, 90.0, 0.3][case % 5]
        box = random_box(random, random.uniform(0, 1, 2) * (width, height), radius)
        mask = torch.sigmoid(3 * torch.nn.functional.interpolate(
            torch.tensor(random.normal(size=(1, 1, 7, 7)), dtype=torch.float32), SIDE, mode="bicubic"))
        x0, y0, x1, y1 = torch.tensor(box)
        x = (torch.arange(width, dtype=torch.float32) + 0.5 - x0) / (x1 - x0) * 2 - 1
        y = (torch.arange(height, dtype=torch.float32) + 0.5 - y0) / (y1 - y0) * 2 - 1
        grid = torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)], -1)[None]
        values = torch.nn.functional.grid_sample(mask, grid, align_corners=False)
        tensors[f"mask.{case}"] = mask[0, 0].numpy()
        tensors[f"paste.{case}"] = coded(values[0, 0].numpy())
        cases.append({"size": [height, width], "box": [float(v) for v in box]})
    return cases


def main():
    random = np.random.default_rng(20)
    tensors = {}
    cases = {"polygons": polygon_cases(random), "bitmaps": bitmap_cases(random, tensors),
             "pastes": paste_cases(random, tensors)}
    (HERE / "masks.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    save_file(tensors, HERE / "masks.safetensors")


if __name__ == "__main__":
    main()
