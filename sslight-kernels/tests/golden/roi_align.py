"""Golden numbers of RoIAlign from torchvision: writes roi_align.safetensors beside this file.

Made with torch 2.15 and torchvision 0.29. Of 14 bins only those of the first channel are kept, so that the file stays
small; gradients are of all channels.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torchvision.ops import roi_align

# Maps of 13 x 17 cells: images of 52 x 68 pixels at a scale of 1/4, of 104 x 136 at 1/8.
CORNERS = [
    # inside
    [4.3, 8.1, 20.2, 24.9],
    [5.25, 3.5, 60.75, 45.1],
    [30.0, 20.0, 44.0, 48.0],
    [11.7, 2.2, 31.3, 9.9],
    # whole images
    [0.0, 0.0, 68.0, 52.0],
    [0.0, 0.0, 136.0, 104.0],
    # at borders
    [0.0, 0.0, 9.3, 7.7],
    [55.5, 41.2, 68.0, 52.0],
    [101.0, 80.5, 136.0, 104.0],
    # reaching out of the image: left, top, right, bottom, around
    [-9.6, 4.1, 8.3, 20.7],
    [4.4, -7.3, 20.6, 9.2],
    [50.1, 8.7, 90.3, 20.2],
    [8.9, 40.3, 20.1, 75.8],
    [-23.1, -11.7, 161.9, 133.3],
    [-300.3, 4.7, 700.9, 40.1],
    # outside
    [150.3, 120.1, 190.7, 180.9],
    [-50.9, -40.3, -14.1, -16.7],
    # below a pixel, below a cell, thin
    [10.1, 10.2, 10.6, 10.9],
    [33.3, 21.1, 33.4, 21.2],
    [0.1, 0.2, 0.4, 0.5],
    [40.3, 1.1, 42.9, 3.7],
    [10.5, 2.3, 10.9, 50.6],
    # without area: without width, without both
    [12.5, 9.1, 12.5, 25.3],
    [31.7, 17.3, 31.7, 17.3],
]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 13, 17, generator=generator)
    images = torch.arange(len(CORNERS)) % 2
    regions = torch.cat([images[:, None].float(), torch.tensor(CORNERS)], 1)
    tensors = {"features": features, "regions": regions}
    for output in [7, 14]:
        weights = torch.randn(len(CORNERS), 3, output, output, generator=generator)
        tensors[f"weights.{output}"] = weights
        for scale in [4, 8]:
            for ratio, sampling_ratio in [("adaptive", -1), ("2", 2)]:
                leaf = features.clone().requires_grad_()
                bins = roi_align(leaf, regions, output, 1 / scale, sampling_ratio, aligned=True)
                (bins * weights).sum().backward()
                kept = bins if output == 7 else bins[:, :1]
                tensors[f"bins.{output}.{scale}.{ratio}"] = kept.detach().contiguous()
                tensors[f"gradient.{output}.{scale}.{ratio}"] = leaf.grad
    save_file(tensors, Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
