"""torchvision's Mask R-CNN on ResNet-18, as sslight-detect/benches/iteration.rs measures ours: python detect.py [STEPS].

A training iteration without data and optimizer, and the prediction, of 2 images of 800 x 1333 pixels and 80 classes; all layers
are trained, normalisation included, and objects fill their boxes. The first pass is left out.
"""

import statistics
import sys
import time

import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

IMAGES, OBJECTS, HEIGHT, WIDTH = 2, 8, 800, 1333


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    torch.manual_seed(1)
    torch.set_num_threads(2)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=5
    )
    detector = MaskRCNN(backbone, num_classes=81, min_size=HEIGHT, max_size=WIDTH, box_score_thresh=0.0)
    images = [torch.rand(3, HEIGHT, WIDTH) for _ in range(IMAGES)]
    targets = []
    for _ in range(IMAGES):
        sides = torch.empty(OBJECTS, 2).uniform_(32, 400)
        start = torch.rand(OBJECTS, 2) * (torch.tensor([WIDTH, HEIGHT]) - sides)
        boxes = torch.cat([start, start + sides], 1)
        masks = torch.zeros(OBJECTS, HEIGHT, WIDTH, dtype=torch.uint8)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist()):
            mask[y0:y1, x0:x1] = 1
        targets.append({"boxes": boxes, "labels": torch.arange(OBJECTS) + 1, "masks": masks})
    training = []
    for step in range(steps + 1):
        start = time.perf_counter()
        loss = sum(detector(images, targets).values())
        forward = time.perf_counter() - start
        loss.backward()
        training.append(time.perf_counter() - start)
        print(f"iteration {step}: {training[-1]:.2f} s, {forward:.2f} s of it forward, loss {loss.item():.4f}", flush=True)
        detector.zero_grad()
    detector.eval()
    prediction = []
    with torch.no_grad():
        for _ in range(steps + 1):
            start = time.perf_counter()
            detector(images)
            prediction.append(time.perf_counter() - start)
    for what, seconds in [("training", training), ("prediction", prediction)]:
        print(f"{what} {statistics.median(seconds[1:]):.3f}")


if __name__ == "__main__":
    main()
