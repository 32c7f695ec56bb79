"""Weights go out to torchvision and timm and come back: features agree each way, for every backbone.

    python3 tests/recipes/round_trip.py [--program target/release/sslight] [BACKBONE ...]

For each backbone a network of torchvision or timm gets random weights and random running statistics, from a stated seed. Then

  in     its state dict as a PyTorch file (zip and legacy) and as safetensors -> `sslight import` -> our features of fixed
         images are PyTorch's
  out    `sslight export` -> loaded by name with strict=True into a fresh network by the snippet that export prints -> its
         features are the first one's
  ONNX   `sslight export format=onnx` -> checked by onnx, run by ONNX Runtime for a batch of 1 and of 3
  half   `dtype=f16` and `dtype=bf16` load with strict=True, and the values are those of PyTorch's own rounding

At the end the checkpoint in the layout of the reference, among the fixtures, is imported and compared likewise. Ends with 1 if a
difference is above the limit.
"""

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy
import onnx
import onnxruntime
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
# Largest difference of features, relative to the largest feature or 1.
LIMIT = 1e-4


def forgiving_pickle():
    """pickle, with a dict for each class of a library that is not here: the reference saves its configuration as one."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            try:
                return super().find_class(module, name)
            except ModuleNotFoundError:
                return type(name, (dict,), {})

    module = types.ModuleType("forgiving_pickle")
    module.Unpickler, module.load = Unpickler, pickle.load
    return module


def torchvision_network(name, classifier):
    model = getattr(torchvision.models, name)(weights=None)
    setattr(model, classifier, torch.nn.Identity())
    return model


def transformer(name, patch):
    return timm.create_model(name, patch_size=patch, num_classes=0)


NETWORKS = {
    "mobilenet_v2": lambda: torchvision_network("mobilenet_v2", "classifier"),
    "resnet18": lambda: torchvision_network("resnet18", "fc"),
    "resnet34": lambda: torchvision_network("resnet34", "fc"),
    "resnet50": lambda: torchvision_network("resnet50", "fc"),
    "vit_tiny_16": lambda: transformer("vit_tiny_patch16_224", 16),
    "vit_tiny_32": lambda: transformer("vit_tiny_patch16_224", 32),
    "vit_small_16": lambda: transformer("vit_small_patch16_224", 16),
}


def randomise(model, seed):
    """Running statistics and affine parameters that a fresh network has as zeros and ones."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)):
                uniform(module.weight, 0.5, 1.5)
                uniform(module.bias, -0.3, 0.3)
            if isinstance(module, torch.nn.BatchNorm2d):
                uniform(module.running_mean, -0.3, 0.3)
                uniform(module.running_var, 0.5, 1.5)
            if isinstance(module, torch.nn.Linear) and module.bias is not None:
                uniform(module.bias, -0.1, 0.1)
        for name in ("cls_token", "pos_embed"):
            if hasattr(model, name):
                uniform(getattr(model, name), -0.5, 0.5)
    return model.eval()


def features_of(model, images):
    with torch.no_grad():
        return model(images)


class Recipe:
    def __init__(self, program, folder):
        self.program, self.folder, self.failed = program, folder, 0

    def sslight(self, *words):
        command = [self.program, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def compare(self, what, got, expected):
        got, expected = (torch.as_tensor(x).double() for x in (got, expected))
        largest = (got - expected).abs().max().item() / max(1.0, expected.abs().max().item())
        good = got.shape == expected.shape and largest <= LIMIT
        self.failed += not good
        print(f"{'ok' if good else 'FAILED':6}  {what:38}  {largest:.1e}", flush=True)

    def ours(self, weights, images, *words):
        save_file({"input": images}, self.folder / "input.safetensors")
        self.sslight("inspect", weights, "features=input.safetensors", "out=features.safetensors", "overwrite=true", *words)
        return load_file(self.folder / "features.safetensors")["features"]

    def load_by_snippet(self, exported):
        """Runs the Python that export prints."""
        names = {}
        exec(exported["snippet"], names)  # noqa: S102
        return names["model"]

    def export(self, weights, *words):
        return json.loads(self.sslight("export", weights, "overwrite=true", "--json", *words))

    def backbone(self, name, seed):
        torch.manual_seed(seed)
        model = randomise(NETWORKS[name](), seed)
        images = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(seed))
        expected = features_of(model, images)
        state = model.state_dict()

        torch.save(state, self.folder / "zip.pth")
        torch.save(state, self.folder / "legacy.pth", _use_new_zipfile_serialization=False)
        save_file(state, self.folder / "plain.safetensors")
        for file in ("zip.pth", "legacy.pth", "plain.safetensors"):
            report = json.loads(self.sslight("import", file, "out=ours.safetensors", "overwrite=true", "--json"))
            assert report["complete"] and report["backbone"] == name, report["backbone"]
            self.compare(f"{name} in, {file}", self.ours("ours.safetensors", images), expected)

        exported = self.export("ours.safetensors", "out=out.safetensors")
        exported["snippet"] = exported["snippet"].replace("out.safetensors", str(self.folder / "out.safetensors"))
        self.compare(f"{name} out, strict", features_of(self.load_by_snippet(exported), images), expected)

        self.export("ours.safetensors", "format=onnx", "out=out.onnx", "input_size=224")
        self.onnx(name, images, expected)

        for dtype, kind in (("f16", torch.float16), ("bf16", torch.bfloat16)):
            self.export("ours.safetensors", f"dtype={dtype}", "out=half.safetensors")
            half = load_file(self.folder / "half.safetensors")
            NETWORKS[name]().load_state_dict(half, strict=True)
            same = all(torch.equal(half[key], state[key].to(kind)) for key in state if not key.endswith("tracked"))
            self.compare(f"{name} out, {dtype} as PyTorch rounds", [float(same)], [1.0])
        if name.startswith("vit"):
            self.resized(name, model, seed)

    def onnx(self, name, images, expected):
        model = onnx.load(self.folder / "out.onnx")
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(str(self.folder / "out.onnx"), providers=["CPUExecutionProvider"])
        for batch in (1, 3):
            got = session.run(["features"], {"images": images[:batch].numpy()})[0]
            self.compare(f"{name} ONNX, batch of {batch}", got, expected[:batch])

    def resized(self, name, model, seed):
        """At another image size all of our ways agree with each other; timm resizes positions in another way."""
        images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(seed))
        expected = self.ours("ours.safetensors", images)
        self.export("ours.safetensors", "format=onnx", "out=out.onnx", "input_size=96")
        session = onnxruntime.InferenceSession(str(self.folder / "out.onnx"), providers=["CPUExecutionProvider"])
        self.compare(f"{name} ONNX, 96 pixels", session.run(None, {"images": images.numpy()})[0], expected)
        exported = self.export("ours.safetensors", "input_size=96", "out=out.safetensors")
        exported["snippet"] = exported["snippet"].replace("out.safetensors", str(self.folder / "out.safetensors"))
        self.compare(f"{name} out, 96 pixels", features_of(self.load_by_snippet(exported), images), expected)

    def reference_checkpoint(self):
        file = ROOT / "tests/fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar"
        self.sslight("import", file, "out=ours.safetensors", "overwrite=true")
        saved = torch.load(file, map_location="cpu", weights_only=False, pickle_module=forgiving_pickle())["state_dict"]
        prefix = "module.student.backbone.encoder."
        state = {"features." + key[len(prefix):]: value for key, value in saved.items() if key.startswith(prefix)}
        model = NETWORKS["mobilenet_v2"]()
        model.load_state_dict(state, strict=True)
        images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(7))
        self.compare("the reference's checkpoint in", self.ours("ours.safetensors", images), features_of(model.eval(), images))

    def layouts(self):
        """State dicts as published code saves them: student and teacher of each are told apart."""
        student = randomise(NETWORKS["resnet18"](), 1).state_dict()
        teacher = randomise(NETWORKS["resnet18"](), 2).state_dict()
        images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(8))
        head = {"fc.0.weight": torch.zeros(4, 512)}

        def under(prefix, state):
            return {prefix + key: value for key, value in state.items()}

        both = {
            "DINO": {
                "student": under("module.backbone.", student) | {"module.head.mlp.0.weight": torch.zeros(4, 512)},
                "teacher": under("backbone.", teacher) | {"head.mlp.0.weight": torch.zeros(4, 512)},
            },
            "MoCo 2": {
                "state_dict": under("module.encoder_q.", student | head)
                | under("module.encoder_k.", teacher | head)
                | {"module.queue": torch.zeros(4, 8)}
            },
            "MoCo 3": {
                "state_dict": under("module.base_encoder.", student | head)
                | under("module.momentum_encoder.", teacher | head)
            },
            "lightly": under("backbone.", student) | under("backbone_momentum.", teacher),
            "solo-learn": {"state_dict": under("backbone.", student) | under("momentum_backbone.", teacher)},
        }
        only = {
            "SwAV": under("module.", student)
            | {"module.projection_head.0.weight": torch.zeros(4, 512), "module.prototypes.weight": torch.zeros(4, 4)},
            "torch.compile": under("_orig_mod.", student),
            "torch.compile within": under("backbone._orig_mod.", student),
        }
        models = {}
        for role, state in (("student", student), ("teacher", teacher)):
            models[role] = NETWORKS["resnet18"]()
            models[role].load_state_dict(state)
            models[role].eval()
        for name, saved in (both | only).items():
            torch.save(saved, self.folder / "layout.pth")
            for role in ("student", "teacher") if name in both else ("student",):
                self.sslight("import", "layout.pth", f"role={role}", "out=ours.safetensors", "overwrite=true")
                self.compare(f"{name}, {role}", self.ours("ours.safetensors", images), features_of(models[role], images))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=ROOT / "target/release/sslight", type=Path)
    parser.add_argument("backbones", nargs="*", choices=[[], *NETWORKS], default=[])
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(str(words.program.resolve()), Path(folder))
        for seed, name in enumerate(words.backbones or NETWORKS):
            recipe.backbone(name, seed)
        if not words.backbones:
            recipe.reference_checkpoint()
            recipe.layouts()
    if recipe.failed:
        sys.exit(f"{recipe.failed} comparisons failed")
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (torch, torchvision, timm, onnx, onnxruntime, numpy))
    print(f"all within {LIMIT}; {versions}")


if __name__ == "__main__":
    main()
