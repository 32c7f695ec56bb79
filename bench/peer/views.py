"""The views of images with Pillow and torchvision, as `sslight bench views` measures ours: one process, one thread.

    python bench/peer/views.py FOLDER [--images N] [--passes N] [--global-size N] [--local-size N] [--locals N]

Prints JSON. Every image is opened, decoded and shown to the transforms of each view; the views end as normalised tensors.
"""

import argparse
import json
import pathlib
import random
import statistics
import time

import torch
from PIL import Image, ImageFilter, ImageOps
from torchvision import transforms

BLUR, SOLARIZE, JITTER, GRAY = (1.0, 0.1, 0.5), 0.2, (0.4, 0.4, 0.2, 0.1), 0.2
GLOBAL_SCALE, LOCAL_SCALE = (0.3, 1.0), (0.05, 0.3)
NORMALIZE = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Sometimes:
    """A change of an image with a probability."""

    def __init__(self, probability, change):
        self.probability, self.change = probability, change

    def __call__(self, image):
        return self.change(image) if random.random() < self.probability else image


def blurred(image):
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


def view(size, scale, blur, solarize):
    steps = [
        transforms.RandomResizedCrop(size, scale=scale, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(*JITTER)], p=0.8),
        transforms.RandomGrayscale(p=GRAY),
        Sometimes(blur, blurred),
    ]
    if solarize:
        steps.append(Sometimes(SOLARIZE, ImageOps.solarize))
    return transforms.Compose([*steps, transforms.ToTensor(), NORMALIZE])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    for name, default in [("images", 200), ("passes", 3), ("global-size", 224), ("local-size", 128), ("locals", 6)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    torch.manual_seed(0)
    files = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = [files[index % len(files)] for index in range(args.images)]
    views = [
        view(args.global_size, GLOBAL_SCALE, BLUR[0], False),
        view(args.global_size, GLOBAL_SCALE, BLUR[1], True),
        *[view(args.local_size, LOCAL_SCALE, BLUR[2], False)] * args.locals,
    ]
    times = []
    for number in range(args.passes + 1):
        started = time.perf_counter()
        for path in files:
            with Image.open(path) as image:
                image = image.convert("RGB")
            tensors = [make(image) for make in views]
            assert len(tensors) == 2 + args.locals
        if number > 0:
            times.append(time.perf_counter() - started)
    print(json.dumps({"seconds_per_image": statistics.median(times) / len(files), "images": len(files)}))


if __name__ == "__main__":
    main()
