"""What roi_align.rs measures, with torchvision: `python roi_align.py [threads]`."""

import sys
import time

import torch
from torchvision.ops import roi_align

CHANNELS, HEIGHT, WIDTH, REGIONS, STRIDE, OUTPUT = 256, 200, 334, 1000, 4, 7


def regions(smallest: float, largest: float) -> torch.Tensor:
    state = 1

    def random() -> float:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 11) / 2**53

    def side(cells: int) -> tuple[float, float]:
        size = smallest * (largest / smallest) ** random()
        start = random() * (cells * STRIDE - size)
        return start, start + size

    rows = []
    for _ in range(REGIONS):
        (x0, x1), (y0, y1) = side(WIDTH), side(HEIGHT)
        rows.append([0.0, x0, y0, x1, y1])
    return torch.tensor(rows)


def median(run) -> float:
    """Milliseconds: the median over runs for a second, at least five after one that is not counted."""
    run()
    times = []
    while len(times) < 5 or sum(times) < 1:
        times.append(run())
    return sorted(times)[len(times) // 2] * 1e3


def measure(boxes: torch.Tensor, ratio: int) -> tuple[float, float]:
    features = torch.randn(1, CHANNELS, HEIGHT, WIDTH, requires_grad=True)
    grad = torch.randn(REGIONS, CHANNELS, OUTPUT, OUTPUT)

    def forward() -> float:
        start = time.perf_counter()
        with torch.no_grad():
            roi_align(features, boxes, OUTPUT, 1 / STRIDE, ratio, aligned=True)
        return time.perf_counter() - start

    def backward() -> float:
        bins = roi_align(features, boxes, OUTPUT, 1 / STRIDE, ratio, aligned=True)
        features.grad = None
        start = time.perf_counter()
        bins.backward(grad)
        return time.perf_counter() - start

    return median(forward), median(backward)


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
    print(f"{'regions':36} {'forward ms':>11} {'backward ms':>11}")
    for smallest, largest in [(16.0, 112.0), (16.0, 512.0)]:
        for name, ratio in [("adaptive", -1), ("ratio 2", 2)]:
            forward, backward = measure(regions(smallest, largest), ratio)
            name = f"sides {smallest:g} to {largest:g}, {name}"
            print(f"{name:36} {forward:11.1f} {backward:11.1f}")


if __name__ == "__main__":
    main()
