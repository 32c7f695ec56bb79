"""Golden numbers of average precision: a small set, detections on it, and what pycocotools makes of them.

Needs numpy and pycocotools. Run: python coco.py, which writes coco.json (annotations), coco_detections.json and coco_expected.json
beside it.

Categories are out of order with gaps, one has no object; there are crowds, objects of a few pixels, objects in several parts, images
without any, scores that tie, and more detections of a class than count. Coordinates are quarters of a pixel and scores hundredths
rounded to single precision, so that every number is the same in single precision.
"""

import contextlib
import io
import json
import pathlib

import numpy as np
import pycocotools.mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = pathlib.Path(__file__).parent
CATEGORIES = [(17, "cat"), (3, "car"), (90, "brush"), (44, "bottle"), (5, "plane")]
WITHOUT_OBJECTS = 5
IMAGES = 14


def quarters(values):
    return np.round(np.asarray(values) * 4) / 4


def blob(random, x, y, width, height):
    """A polygon inside the box."""
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    radii = random.uniform(0.6, 1.0, 9)
    points = np.stack([x + width / 2 + radii * width / 2 * np.cos(angles),
                       y + height / 2 + radii * height / 2 * np.sin(angles)], 1)
    return quarters(points).reshape(-1).tolist()


def box_of(polygons):
    flat = np.array(sum(polygons, []))
    x0, y0, x1, y1 = flat[0::2].min(), flat[1::2].min(), flat[0::2].max(), flat[1::2].max()
    return [float(v) for v in (x0, y0, x1 - x0, y1 - y0)]


def annotations(random, images):
    made = []
    kinds = [id for id, _ in CATEGORIES if id != WITHOUT_OBJECTS]
    for image in images[:-2]:
        # The first image is crowded with one class, so that it matters how many detections count.
        crowded = image is images[0]
        for _ in range(14 if crowded else int(random.integers(3, 9))):
            low, high = [(4, 20), (30, 70), (125, 145)][0 if crowded else int(random.integers(3))]
            width, height = quarters(random.uniform(low, high, 2))
            x = quarters(random.uniform(0, image["width"] - width))
            y = quarters(random.uniform(0, image["height"] - height))
            polygons = [blob(random, x, y, width, height)]
            if random.random() < 0.2:
                polygons.append(blob(random, x, y, width / 2, height / 2))
            size = image["height"], image["width"]
            code = pycocotools.mask.merge(pycocotools.mask.frPyObjects(polygons, *size))
            area = float(pycocotools.mask.area(code))
            if area < 1:
                continue
            crowd = random.random() < 0.12
            kind = 3 if crowded else int(random.choice(kinds))
            segmentation = polygons
            if crowd:
                # As COCO has crowds: runs, not compressed.
                bits = pycocotools.mask.decode(code).reshape(-1, order="F")
                ends = np.flatnonzero(np.diff(bits)) + 1
                runs = np.diff(np.concatenate([[0], ends, [bits.size]])).tolist()
                segmentation = {"size": list(size), "counts": runs if bits[0] == 0 else [0, *runs]}
            made.append({"id": 1000 - len(made), "image_id": image["id"], "category_id": kind,
                         "bbox": box_of(polygons), "area": area, "iscrowd": int(crowd), "segmentation": segmentation})
    return made


def detections(random, images, truth):
    found = []
    sizes = {image["id"]: (image["height"], image["width"]) for image in images}

    def add(image, category, polygons):
        code = pycocotools.mask.merge(pycocotools.mask.frPyObjects(polygons, *sizes[image]))
        # Few values, so that many scores tie.
        score = float(np.float32(random.integers(1, 30) / 30))
        found.append({"image_id": image, "category_id": category, "bbox": box_of(polygons), "score": score,
                      "segmentation": {"size": list(sizes[image]), "counts": code["counts"].decode()}})

    for annotation in truth:
        x, y, width, height = annotation["bbox"]
        for _ in range(int(random.integers(0, 4))):
            if annotation["iscrowd"] or random.random() < 0.3:
                moved = blob(random, *quarters([x, y, width, height] * random.uniform(0.9, 1.1, 4)))
                polygons = [moved]
            else:
                shift = quarters(random.normal(0, 0.04, 2) * (width, height))
                polygons = [(np.array(p).reshape(-1, 2) + shift).reshape(-1).tolist()
                            for p in annotation["segmentation"]]
            kind = annotation["category_id"] if random.random() < 0.9 else 3
            add(annotation["image_id"], kind, polygons)
    for image in images:
        for _ in range(3):
            size = quarters(random.uniform(5, 60, 2))
            add(image["id"], int(random.choice([id for id, _ in CATEGORIES])),
                [blob(random, *quarters(random.uniform(0, 60, 2)), *size)])
    # More than the 100 of an image and class that count.
    crowded = images[0]["id"]
    for _ in range(104):
        add(crowded, 3, [blob(random, *quarters(random.uniform(0, 90, 2)), 24, 20)])
    return found


def measured(truth, found, kind):
    # As detectron2 does it: without boxes, so that areas are those of masks.
    if kind == "segm":
        found = [{key: value for key, value in one.items() if key != "bbox"} for one in found]
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(truth, truth.loadRes(json.loads(json.dumps(found))), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    per_class = {}
    for k, category in enumerate(run.params.catIds):
        values = run.eval["precision"][:, :, k, 0, 2]
        values = values[values > -1]
        per_class[str(category)] = float(values.mean()) if values.size else -1.0
    return {"stats": [float(v) for v in run.stats], "per_class": per_class}


def main():
    random = np.random.default_rng(6)
    # Ids out of order, with gaps.
    images = [{"id": int(id), "file_name": f"{id:04}.png", "width": int(random.integers(150, 260)),
               "height": int(random.integers(150, 260))} for id in random.permutation(np.arange(1, 60))[:IMAGES]]
    truth = {"images": images, "annotations": annotations(random, images),
             "categories": [{"id": id, "name": name} for id, name in CATEGORIES]}
    found = detections(random, images, truth["annotations"])
    (HERE / "coco.json").write_text(json.dumps(truth, separators=(",", ":")) + "\n")
    (HERE / "coco_detections.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")
    with contextlib.redirect_stdout(io.StringIO()):
        read = COCO(str(HERE / "coco.json"))
    expected = {"boxes": measured(read, found, "bbox"), "masks": measured(read, found, "segm")}
    (HERE / "coco_expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
