"""Golden numbers of a whole Mask R-CNN, assembled from torchvision's parts: python model.py writes model.safetensors (ResNet-18)
and model_mobilenet_v2.safetensors.

Losses and gradients are of a float64 run with batch statistics, detections of one with running statistics. Weights and images
are the formula below, so that only results are stored. All anchors and proposals are sampled, so that nothing is drawn. The
losses and the targets are the reference's (detectron2), which differ from torchvision's own.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torchvision.models import mobilenet_v2, resnet18
from torchvision.models.detection import _utils
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork, box_iou, nms, roi_align
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

CLASSES = 3
HEIGHT, WIDTH = 64, 96
SIZES = [(64, 96), (60, 80)]
OBJECTS = [
    ([[5.0, 6.0, 40.0, 50.0], [50.0, 10.0, 90.0, 60.0]], [0, 2]),
    ([[20.0, 12.0, 70.0, 48.0]], [1]),
]
RATIOS = [0.5, 1.0, 2.0]
SAMPLED = 100_000
# Decisions by thresholds have to be the same in single precision.
MARGIN = 8e-6

margins = []


class ResNet18:
    strides = [4, 8, 16, 32, 64]
    anchor_sizes = [[32.0], [64.0], [128.0], [256.0], [512.0]]
    channels = [64, 128, 256, 512]
    finest, coarsest = 2, 5
    # Proposals of a level before suppression, and of an image after it.
    before, after = 40, 24
    file = "model.safetensors"

    @staticmethod
    def body():
        body = resnet18()
        del body.fc
        return body

    @staticmethod
    def maps(body, images):
        x = body.maxpool(body.relu(body.bn1(body.conv1(images))))
        for stage in range(4):
            x = getattr(body, f"layer{stage + 1}")(x)
            yield x

    @staticmethod
    def is_stored(name):
        return "bn1" in name or "layer4.1.bn2" in name or name.endswith("bias") and "bn" not in name


class MobileNetV2:
    """Its last two stages alone make the pyramid, with three sizes of anchors a level."""

    strides = [16, 32, 64]
    anchor_sizes = [[32.0, 64.0, 128.0], [64.0, 128.0, 256.0], [128.0, 256.0, 512.0]]
    channels = [96, 1280]
    finest, coarsest = 4, 5
    before, after = 16, 10
    file = "model_mobilenet_v2.safetensors"

    @staticmethod
    def body():
        body = nn.Module()
        body.features = mobilenet_v2().features
        return body

    @staticmethod
    def maps(body, images):
        middle = body.features[:14](images)
        yield middle
        yield body.features[14:](middle)

    @staticmethod
    def is_stored(name):
        early = any(f".features.{block}." in name for block in (0, 1, 7, 13))
        return early or name.endswith("bias") and "features" not in name


kind = ResNet18


def formula(name, shape):
    """Values in [-1, 1), of the name and the index alone."""
    h = 0
    for byte in name.encode():
        h = (h * 31 + byte) % 2**32
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    x = (i * np.uint64(2654435761) + np.uint64(h)) % np.uint64(2**32)
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x45D9F3B)) % np.uint64(2**32)
    x ^= x >> np.uint64(16)
    return torch.tensor((x.astype(np.float64) / 2**31 - 1).astype(np.float32).reshape(shape))


def weight(name, shape):
    values = formula(name, shape)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return 1 + 0.25 * values
    if len(shape) == 1:
        return 0.1 * values
    gain = 0.1 if any(part in name for part in ("bbox_pred", "cls_logits", "cls_score")) else 1.0
    fan_in = int(np.prod(shape[1:]))
    return values * np.float32(gain * np.sqrt(3 / fan_in))


class Parts(nn.Module):
    """Names as torchvision's Mask R-CNN has them."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.body = kind.body()
        self.backbone.fpn = FeaturePyramidNetwork(kind.channels, 256, LastLevelMaxPool())
        self.rpn = nn.Module()
        self.rpn.head = RPNHead(256, len(RATIOS) * len(kind.anchor_sizes[0]))
        self.roi_heads = nn.Module()
        self.roi_heads.box_head = TwoMLPHead(256 * 49, 1024)
        self.roi_heads.box_predictor = FastRCNNPredictor(1024, CLASSES + 1)
        self.roi_heads.mask_head = MaskRCNNHeads(256, (256,) * 4, 1)
        self.roi_heads.mask_predictor = MaskRCNNPredictor(256, 256, CLASSES + 1)

    def levels(self, images):
        maps = {str(stage): x for stage, x in enumerate(kind.maps(self.backbone.body, images))}
        return list(self.backbone.fpn(maps).values())


def anchors_of(levels):
    out = []
    for level, stride, sizes in zip(levels, kind.strides, kind.anchor_sizes):
        cell = [
            [-size / r**0.5 / 2, -size * r**0.5 / 2, size / r**0.5 / 2, size * r**0.5 / 2] for size in sizes for r in RATIOS
        ]
        cell = torch.tensor(cell, dtype=torch.float64)
        y, x = torch.meshgrid(torch.arange(level.shape[2]) * stride, torch.arange(level.shape[3]) * stride, indexing="ij")
        shift = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4).double()
        out.append((shift + cell).reshape(-1, 4))
    return out


def watch(values, threshold):
    margins.append((values - threshold).abs().min().item())


def suppressed(boxes, scores, threshold):
    overlaps = box_iou(boxes, boxes)
    overlaps.fill_diagonal_(0)
    if overlaps.numel():
        watch(overlaps, threshold)
    return nms(boxes, scores, threshold)


def clipped(boxes, size):
    height, width = size
    limits = torch.tensor([width, height, width, height], dtype=boxes.dtype)
    return torch.minimum(boxes.clamp(min=0), limits)


def propose(logits, codes, anchors, size, before, after):
    coder = _utils.BoxCoder((1.0,) * 4)
    regions, scores, first = [], [], 0
    for level in anchors:
        part = slice(first, first + len(level))
        first += len(level)
        order = torch.argsort(logits[part], descending=True, stable=True)
        gaps = logits[part][order].diff().abs()
        margins.append(gaps[: before + 1].min().item() if len(gaps) else 1.0)
        order = order[:before]
        boxes = clipped(coder.decode_single(codes[part][order], level[order]), size)
        keep = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).nonzero()[:, 0]
        boxes, score = boxes[keep], logits[part][order][keep]
        kept = suppressed(boxes, score, 0.7)
        regions.append(boxes[kept])
        scores.append(score[kept])
    regions, scores = torch.cat(regions), torch.cat(scores)
    order = torch.argsort(scores, descending=True)
    margins.append(scores[order].diff().abs()[: after + 1].min().item())
    return regions[order[:after]]


def read(levels, regions, side):
    """Regions of each image from their levels, in order."""
    rows = torch.cat([torch.cat([torch.full((len(of), 1), float(image)).double(), of], 1) for image, of in enumerate(regions)])
    length = torch.sqrt((rows[:, 3] - rows[:, 1]) * (rows[:, 4] - rows[:, 2]))
    exact = 4 + torch.log2(length / 224 + 1e-8)
    level = torch.floor(exact).clamp(kind.finest, kind.coarsest).long() - kind.finest
    out = torch.zeros(len(rows), 256, side, side, dtype=torch.float64)
    for index in range(len(kind.channels)):
        at = (level == index).nonzero()[:, 0]
        if len(at):
            part = roi_align(levels[index], rows[at], side, 1 / kind.strides[index], sampling_ratio=-1, aligned=True)
            out = out.index_put((at,), part)
    return out


def ellipse(box, region, side):
    """Whether the centre of each cell of a grid over `region` lies in the ellipse of `box`."""
    x = region[0] + (torch.arange(side) + 0.5) * (region[2] - region[0]) / side
    y = region[1] + (torch.arange(side) + 0.5) * (region[3] - region[1]) / side
    dx = (x - (box[0] + box[2]) / 2) / ((box[2] - box[0]) / 2)
    dy = (y - (box[1] + box[3]) / 2) / ((box[3] - box[1]) / 2)
    distance = dx[None] ** 2 + dy[:, None] ** 2
    watch(distance, 1.0)
    return (distance <= 1).double()


def losses(net, images):
    levels = net.levels(images)
    anchors = anchors_of(levels)
    logits, codes = net.rpn.head(levels)
    logits = torch.cat([of.permute(0, 2, 3, 1).flatten(1) for of in logits], 1)
    codes = torch.cat([of.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3) for of in codes], 1)
    everywhere = torch.cat(anchors)
    objectness = proposal_boxes = 0.0
    regions, matched, labels = [], [], []
    for image, (objects, classes) in enumerate(OBJECTS):
        objects = torch.tensor(objects, dtype=torch.float64)
        # In single precision, as the reference: which overlaps are the same is a matter of rounding.
        overlaps = box_iou(objects.float(), everywhere.float())
        best, which = overlaps.max(0)
        watch(best, 0.7), watch(best, 0.3)
        positive = best >= 0.7
        positive |= (overlaps == overlaps.max(1, keepdim=True).values).any(0)
        negative = (best < 0.3) & ~positive
        used = positive | negative
        objectness = objectness + F.binary_cross_entropy_with_logits(
            logits[image][used], positive[used].double(), reduction="sum"
        )
        target = _utils.BoxCoder((1.0,) * 4).encode_single(objects[which[positive]], everywhere[positive])
        proposal_boxes = proposal_boxes + F.l1_loss(codes[image][positive], target, reduction="sum")

        with torch.no_grad():
            proposals = propose(logits[image], codes[image], anchors, SIZES[image], kind.before, kind.after)
        proposals = torch.cat([proposals, objects])
        best, which = box_iou(objects, proposals).max(0)
        watch(best, 0.5)
        label = torch.where(best >= 0.5, torch.tensor(classes)[which] + 1, 0)
        # Those of objects first, as they are drawn.
        order = torch.cat([(label > 0).nonzero()[:, 0], (label == 0).nonzero()[:, 0]])
        regions.append(proposals[order])
        matched.append(objects[which[order]])
        labels.append(label[order])

    flat, label, target = torch.cat(regions), torch.cat(labels), torch.cat(matched)
    hidden = net.roi_heads.box_head(read(levels, regions, 7))
    scores, codes = net.roi_heads.box_predictor(hidden)
    classes = F.cross_entropy(scores, label)
    rows = (label > 0).nonzero()[:, 0]
    wanted = _utils.BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(target[rows], flat[rows])
    boxes = F.l1_loss(codes.unflatten(1, (-1, 4))[rows, label[rows]], wanted, reduction="sum") / len(label)

    kept = [of[label > 0] for of, label in zip(regions, labels)]
    masks = net.roi_heads.mask_predictor(net.roi_heads.mask_head(read(levels, kept, 14)))
    masks = masks[torch.arange(len(rows)), label[rows]]
    wanted = torch.stack([ellipse(target[row], flat[row], 28) for row in rows])
    mask = F.binary_cross_entropy_with_logits(masks, wanted)
    count = SAMPLED * len(OBJECTS)
    print("regions", [len(of) for of in regions], "of objects", len(rows))
    return [objectness / count, proposal_boxes / count, classes, boxes, mask], regions


def detections(net, images):
    levels = net.levels(images)
    anchors = anchors_of(levels)
    logits, codes = net.rpn.head(levels)
    logits = torch.cat([of.permute(0, 2, 3, 1).flatten(1) for of in logits], 1)
    codes = torch.cat([of.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3) for of in codes], 1)
    regions = [propose(logits[i], codes[i], anchors, size, kind.before, kind.after) for i, size in enumerate(SIZES)]
    scores, codes = net.roi_heads.box_predictor(net.roi_heads.box_head(read(levels, regions, 7)))
    scores = scores.softmax(1)
    codes = codes.unflatten(1, (-1, 4))
    coder = _utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
    out, first = [], 0
    for image, of in enumerate(regions):
        rows = slice(first, first + len(of))
        first += len(of)
        found = []
        for c in range(1, CLASSES + 1):
            boxes = clipped(coder.decode_single(codes[rows][:, c], of), SIZES[image])
            score = scores[rows][:, c]
            watch(score, 0.05)
            keep = (score > 0.05) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
            boxes, score = boxes[keep], score[keep]
            for at in suppressed(boxes, score, 0.5):
                found.append((score[at].item(), c - 1, boxes[at]))
        found.sort(key=lambda one: -one[0])
        margins.append(min(a[0] - b[0] for a, b in zip(found, found[1:])))
        out.append(found)
    boxes = [torch.stack([box for _, _, box in found]) for found in out]
    masks = net.roi_heads.mask_predictor(net.roi_heads.mask_head(read(levels, boxes, 14))).sigmoid()
    classes = torch.tensor([c for found in out for _, c, _ in found])
    masks = masks[torch.arange(len(classes)), classes + 1]
    return {
        "detect.counts": torch.tensor([len(found) for found in out]),
        "detect.boxes": torch.cat(boxes).float(),
        "detect.scores": torch.tensor([s for found in out for s, _, _ in found]),
        "detect.classes": classes,
        "detect.mask_means": masks.mean((1, 2)).float(),
        "detect.masks": masks[:: max(1, len(masks) // 6)].float(),
    }


def numbers(seed):
    """All of them, of the images of this number."""
    margins.clear()
    net = Parts()
    state = {name: weight(name, value.shape) for name, value in net.state_dict().items() if "num_batches" not in name}
    net.load_state_dict(state, strict=False)
    net.double()
    images = formula(f"images.{seed}", (len(SIZES), 3, HEIGHT, WIDTH)).double()
    for image, (height, width) in enumerate(SIZES):
        images[image, :, height:], images[image, :, :, width:] = 0, 0

    out = {}
    with torch.no_grad():
        net.eval()
        out |= detections(net, images)
        print("smallest margin of detections", min(margins))
    net.train()
    terms, regions = losses(net, images)
    sum(terms).backward()
    out["losses"] = torch.stack([term.detach() for term in terms])
    out["regions"] = torch.cat(regions).float()
    norms = {name: parameter.grad.norm() for name, parameter in net.named_parameters()}
    names = sorted(norms)
    out["grad_norms"] = torch.stack([norms[name] for name in names])
    for name, parameter in net.named_parameters():
        if parameter.numel() <= 256 and kind.is_stored(name):
            out[f"grad.{name}"] = parameter.grad.float()
    print("losses", out["losses"].tolist(), "smallest margin", min(margins))
    return out, names


def main():
    global kind
    torch.manual_seed(0)
    for kind in (ResNet18, MobileNetV2):
        # The first images that leave a margin at every decision.
        for seed in range(5, 205):
            try:
                out, names = numbers(seed)
            except ValueError as error:
                print(seed, error)
                continue
            if min(margins) > MARGIN:
                break
        assert min(margins) > MARGIN, sorted(margins)[:5]
        save_file(
            {name: value.contiguous() for name, value in out.items()},
            pathlib.Path(__file__).with_name(kind.file),
            metadata={"parameters": "\n".join(names), "images": f"images.{seed}"},
        )


if __name__ == "__main__":
    main()
