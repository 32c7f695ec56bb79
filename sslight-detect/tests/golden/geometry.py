"""Golden numbers of boxes, from torchvision: python geometry.py writes geometry.safetensors beside itself."""

import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.models.detection import _utils
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import batched_nms, box_iou, nms
from torchvision.ops.poolers import LevelMapper

RATIOS = (0.5, 1.0, 2.0)


class ExactAnchors(AnchorGenerator):
    """torchvision rounds the anchors of a cell to whole pixels, the reference does not; sizes count slower than ratios there."""

    def generate_anchors(self, scales, aspect_ratios, dtype=torch.float32, device="cpu"):
        cells = []
        for size in scales:
            for ratio in aspect_ratios:
                width, height = size / ratio**0.5, size * ratio**0.5
                cells.append([-width / 2, -height / 2, width / 2, height / 2])
        return torch.tensor(cells, dtype=dtype, device=device)


def boxes(random, count, extent=100.0, smallest=0.0):
    corner = random.uniform(-5, extent, (count, 2))
    side = smallest + random.gamma(2.0, 12.0, (count, 2))
    return torch.tensor(np.concatenate([corner, corner + side], 1), dtype=torch.float32)


def main():
    random = np.random.default_rng(7)
    out = {}

    left, right = boxes(random, 20), boxes(random, 12)
    left[3, 2] = left[3, 0]
    left[4] = right[5]
    out["iou.left"], out["iou.right"], out["iou.value"] = left, right, box_iou(left, right)

    references, targets = boxes(random, 30, smallest=1.0), boxes(random, 30, smallest=1.0)
    deltas = torch.tensor(random.normal(0, 1, (30, 4)), dtype=torch.float32)
    deltas[5, 2] = 40.0
    deltas[6, 3] = -40.0
    out["coder.references"], out["coder.targets"], out["coder.codes"] = references, targets, deltas
    for name, weights in [("proposals", (1.0, 1.0, 1.0, 1.0)), ("detections", (10.0, 10.0, 5.0, 5.0))]:
        coder = _utils.BoxCoder(weights)
        out[f"coder.{name}.encoded"] = coder.encode_single(targets, references)
        out[f"coder.{name}.decoded"] = coder.decode_single(deltas, references)

    for name, sizes, strides, grids in [
        ("resnet", ((32,), (64,), (512,)), (4, 8, 64), ((5, 7), (3, 4), (1, 2))),
        ("mobilenet_v2", ((32, 64, 128), (64, 128, 256)), (16, 32), ((4, 3), (2, 2))),
    ]:
        for level, (stride, (height, width)) in enumerate(zip(strides, grids)):
            images = ImageList(torch.zeros(1, 3, height * stride, width * stride), [(height * stride, width * stride)])
            one = ExactAnchors((sizes[level],), (RATIOS,))
            out[f"anchors.{name}.{level}"] = one(images, [torch.zeros(1, 8, height, width)])[0]

    # Ties of scores, copies of boxes, and an intersection over union that is the threshold itself.
    pool = boxes(random, 400, extent=60.0)
    pool[100:120] = pool[0:20]
    pool[200] = torch.tensor([0.0, 0.0, 10.0, 10.0])
    pool[201] = torch.tensor([0.0, 0.0, 10.0, 5.0])
    scores = torch.tensor(np.round(random.uniform(0, 1, 400), 2), dtype=torch.float32)
    scores[200], scores[201] = 2.0, 1.5
    classes = torch.tensor(random.integers(0, 5, 400))
    out["nms.boxes"], out["nms.scores"], out["nms.classes"] = pool, scores, classes.to(torch.int64)
    for threshold in (0.3, 0.5, 0.7):
        out[f"nms.kept.{threshold}"] = nms(pool, scores, threshold)
    # Classes apart by an offset that single precision holds exactly for these boxes would round; one at a time does not.
    kept = torch.cat([torch.where(classes == c)[0][nms(pool[classes == c], scores[classes == c], 0.5)] for c in range(5)])
    order = sorted(kept.tolist(), key=lambda at: (-scores[at].item(), at))
    assert set(order) == set(batched_nms(pool.double(), scores.double(), classes, 0.5).tolist())
    out["nms.by_class"] = torch.tensor(order)

    regions = boxes(random, 60, extent=900.0)
    regions[:, 2:] = regions[:, :2] + torch.tensor(2 ** random.uniform(1, 11.5, (60, 2)), dtype=torch.float32)
    regions[0] = torch.tensor([3.0, 3.0, 3.0, 9.0])
    regions[1] = torch.tensor([0.0, 0.0, 224.0, 224.0])
    regions[2] = torch.tensor([0.0, 0.0, 112.0, 112.0])
    side = torch.sqrt((regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1]))
    # The reference adds its epsilon within the logarithm, torchvision after it; they agree unless a side is a power of two
    # of 224 to the last bits, where the reference counts.
    level = torch.floor(4 + torch.log2(side / 224 + 1e-8)).clamp(2, 5).to(torch.int64) - 2
    mapper = LevelMapper(2, 5)
    assert torch.equal(mapper([regions]), level)
    out["levels.regions"], out["levels.level"] = regions, level

    save_file({name: value.contiguous() for name, value in out.items()}, pathlib.Path(__file__).with_name("geometry.safetensors"))


if __name__ == "__main__":
    main()
