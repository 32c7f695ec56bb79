"""A DINO training step, or inference, of PyTorch on the CPU: the peer of `sslight bench`.

Prints one line of JSON: seconds a step (median of the measured ones) and the peak resident memory of the process.
Networks, views, head, loss, clipping, optimizer and moving average are those of `sslight bench step` with the
configuration that `compare.py` names; views are random numbers, since only the time counts.
"""

import argparse
import copy
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v2, resnet18


class Vit(nn.Module):
    """ViT-Ti/16 with positional embeddings that are resized for local views."""

    def __init__(self, dim=192, depth=12, heads=3, patch=16, side=224):
        super().__init__()
        self.grid = side // patch
        self.patch_embed = nn.Conv2d(3, dim, patch, patch)
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid**2 + 1, dim) * 0.02)
        self.blocks = nn.ModuleList([Block(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def positions(self, height, width):
        if (height, width) == (self.grid, self.grid):
            return self.pos_embed
        of_class, of_patches = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        maps = of_patches.reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        maps = F.interpolate(maps, size=(height, width), mode="bicubic", align_corners=False)
        return torch.cat([of_class, maps.flatten(2).transpose(1, 2)], 1)

    def forward(self, images):
        maps = self.patch_embed(images)
        patches = maps.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], 1)
        tokens = tokens + self.positions(*maps.shape[2:])
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        batch, tokens, dim = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))
        return x + self.mlp(self.norm2(x))


class Head(nn.Module):
    """DINO's head: three linear layers, L2 normalisation, a weight-normed last layer."""

    def __init__(self, inputs, outputs, hidden=2048, bottleneck=256, norm=True):
        super().__init__()
        layers, width = [], inputs
        for _ in range(2):
            layers += [nn.Linear(width, hidden)] + [nn.BatchNorm1d(hidden)] * norm + [nn.GELU()]
            width = hidden
        self.mlp = nn.Sequential(*layers, nn.Linear(hidden, bottleneck))
        last = nn.Linear(bottleneck, outputs, bias=False)
        self.last = nn.utils.parametrizations.weight_norm(last)
        # The gain stays 1 on convolutional networks.
        self.last.parametrizations.weight.original0.requires_grad_(not norm)

    def forward(self, features):
        return self.last(F.normalize(self.mlp(features)))


class Network(nn.Module):
    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, views):
        """Views of one size go through the backbone together, all through the head."""
        sizes = {}
        for view in views:
            sizes.setdefault(view.shape[-1], []).append(view)
        features = [self.backbone(torch.cat(group)) for group in sizes.values()]
        return self.head(torch.cat(features))


def backbone_of(name):
    if name == "mobilenet_v2":
        network = mobilenet_v2()
        network.classifier = nn.Identity()
        return network, 1280
    if name == "resnet18":
        network = resnet18()
        network.fc = nn.Identity()
        return network, 512
    if name == "vit_tiny_16":
        return Vit(), 192
    raise SystemExit(f"no peer for {name}")


class Lars(torch.optim.Optimizer):
    """Momentum SGD whose step is scaled by the norms of parameter and gradient."""

    def __init__(self, params, lr, weight_decay, momentum=0.9, eta=0.001):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum, eta=eta))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                step = param.grad
                if param.ndim > 1:
                    step = step.add(param, alpha=group["weight_decay"])
                    of_param, of_step = param.norm(), step.norm()
                    ratio = group["eta"] * of_param / of_step
                    step = step * torch.where((of_param > 0) & (of_step > 0), ratio, 1.0)
                state = self.state[param]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(param)
                velocity = state["velocity"].mul_(group["momentum"]).add_(step)
                param.add_(velocity, alpha=-group["lr"])


def dino_loss(student, teacher, center, views, batch, alpha):
    """Cross entropies of every view with the other global views' targets (DINO, eq. 3), weighted by size."""
    targets = F.softmax((teacher - center) / 0.07, -1).chunk(2)
    logs = F.log_softmax(student / 0.1, -1).split(batch)
    global_loss = local_loss = 0.0
    for index in range(views):
        for target_index, target in enumerate(targets):
            if index == target_index:
                continue
            entropy = -(target * logs[index]).sum(-1).mean()
            if index < 2:
                global_loss = global_loss + entropy
            else:
                local_loss = local_loss + entropy
    return alpha * global_loss / 2 + (1 - alpha) * local_loss / (2 * (views - 2))


def step_of(args):
    """A function that takes one training step."""
    vit = args.backbone.startswith("vit")
    backbone, dim = backbone_of(args.backbone)
    student = Network(backbone, Head(dim, args.out_dim, norm=not vit))
    teacher = copy.deepcopy(student).requires_grad_(False)
    trained = [param for param in student.parameters() if param.requires_grad]
    if vit:
        optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.04)
    else:
        optimizer = Lars(trained, lr=0.01, weight_decay=1e-6)
    center = torch.zeros(1, args.out_dim)
    views = [torch.randn(args.batch_size, 3, 224, 224) for _ in range(2)]
    views += [torch.randn(args.batch_size, 3, args.local_size, args.local_size) for _ in range(args.locals)]

    def step():
        with torch.no_grad():
            target = teacher(views[:2])
        output = student(views)
        loss = dino_loss(output, target, center, len(views), args.batch_size, 0.4)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            center.mul_(0.9).add_(target.mean(0, keepdim=True), alpha=0.1)
            for old, new in zip(teacher.parameters(), student.parameters()):
                old.mul_(0.996).add_(new, alpha=0.004)
        return loss.item()

    return step


def inference_of(args):
    """A function that computes the features of one batch."""
    backbone, _ = backbone_of(args.backbone)
    backbone.eval()
    images = torch.randn(args.batch_size, 3, 224, 224)

    def step():
        with torch.inference_mode():
            return backbone(images).sum().item()

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["step", "inference"])
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--locals", type=int, default=6)
    parser.add_argument("--local-size", type=int, default=128)
    parser.add_argument("--out-dim", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    step = step_of(args) if args.what == "step" else inference_of(args)
    seconds = []
    for index in range(args.warmup + args.steps):
        start = time.perf_counter()
        value = step()
        if index >= args.warmup:
            seconds.append(time.perf_counter() - start)
        if value != value:
            raise SystemExit("the loss is not a number")
    print(
        json.dumps(
            {
                "step_seconds": statistics.median(seconds),
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "version": torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
