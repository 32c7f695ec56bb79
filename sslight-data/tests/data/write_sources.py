"""Writes the same twelve images with Python's own libraries in every layout that sslight reads.

    pip install h5py numpy pillow pyarrow webdataset zstandard
    python sslight-data/tests/data/write_sources.py sslight-data/tests/data/sources

The tests read what this wrote; run it again only to add a layout. All files hold the images in the order of class and
name, so that an index means the same image everywhere.
"""

import csv
import gzip
import io
import json
import struct
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset as wds
import zstandard
from PIL import Image

CLASSES = ["cat", "dog", "owl"]
PER_CLASS = 4


def images():
    """Class, name, pixels and PNG bytes of each image."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        for number in range(PER_CLASS):
            ramp = np.linspace(0, 160, 32)[:, None, None] * np.ones((1, 32, 3))
            colour = generator.integers(0, 90, size=3)
            pixels = (ramp + colour + 5 * label).astype(np.uint8)
            pixels[4 * number : 4 * number + 4, 8 * label : 8 * label + 8] = 255
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG", optimize=True)
            yield label, f"{name}_{number:03d}", pixels, file.getvalue()


def fixed(info):
    """Members without the time and owner of the writer, so that files are the same each time."""
    info.mtime = 0
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def add(archive, name, content):
    info = fixed(tarfile.TarInfo(name))
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def packed(path, samples, prefix, mode="w"):
    """A folder of class folders as `tar` packs it."""
    with tarfile.open(path, mode) as archive:
        for label, name, _, png in samples:
            add(archive, f"{prefix}{CLASSES[label]}/{name}.png", png)


def hub_metadata(**features):
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def parquet(path, samples, label, group, compression):
    """A table as the hub's `datasets` writes it."""
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": png, "path": f"{name}.png"} for _, name, _, png in samples]
    columns = {"image": pa.array(rows, struct)}
    features = {"image": {"_type": "Image"}}
    if label == "number":
        columns["label"] = pa.array([label for label, *_ in samples], pa.int64())
        features["label"] = {"names": CLASSES, "_type": "ClassLabel"}
    elif label == "name":
        columns["label"] = pa.array([CLASSES[label] for label, *_ in samples])
    elif label == "some":
        labels = [None if place == 4 else label for place, (label, *_) in enumerate(samples)]
        columns["label"] = pa.array(labels, pa.int64())
        columns["image"] = pa.array([None if place == 7 else row for place, row in enumerate(rows)], struct)
    elif label == "hidden":
        columns["label"] = pa.array([-1] * len(samples), pa.int64())
        features["label"] = {"names": CLASSES, "_type": "ClassLabel"}
    elif label == "wrong":
        columns["label"] = pa.array([0.5 + label for label, *_ in samples], pa.float64())
    table = pa.table(columns).replace_schema_metadata(hub_metadata(**features))
    pq.write_table(table, path, row_group_size=group, compression=compression)


def main(out):
    all_images = list(images())
    for label, name, _, png in all_images:
        path = out / "folder" / CLASSES[label] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)

    with open(out / "list.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for label, name, *_ in all_images:
            writer.writerow([f"folder/{CLASSES[label]}/{name}.png", CLASSES[label]])
    (out / "list.txt").write_text(
        "".join(f"folder/{CLASSES[label]}/{name}.png\n" for label, name, *_ in all_images)
    )
    (out / "folder" / "subset.txt").write_text(
        "".join(
            f"{index},{label},{CLASSES[label]},{name}.png\n"
            for index, (label, name, *_) in enumerate(all_images)
        )
    )

    for kind in ("cls", "json"):
        folder = out / f"webdataset-{kind}"
        folder.mkdir(exist_ok=True)
        for shard in range(3):
            with wds.TarWriter(str(folder / f"{shard:06d}.tar"), mtime=0, user="", group="") as writer:
                for label, name, _, png in all_images[4 * shard : 4 * shard + 4]:
                    sample = {"__key__": name, "png": png}
                    sample[kind] = label if kind == "cls" else {"label": CLASSES[label], "id": 7}
                    writer.write(sample)
    plain = (out / "webdataset-cls" / "000000.tar").read_bytes()
    folder = out / "webdataset-compressed"
    folder.mkdir(exist_ok=True)
    (folder / "000000.tar.gz").write_bytes(gzip.compress(plain, mtime=0))
    for shard in (1, 2):
        plain = (out / "webdataset-cls" / f"{shard:06d}.tar").read_bytes()
        packer = zstandard.ZstdCompressor()
        (folder / f"{shard:06d}.tar.zst").write_bytes(packer.compress(plain))

    packed(out / "packed.tar", all_images, "pictures/")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for part, samples in (("train", all_images), ("val", all_images[::2])):
            for label, name, _, png in samples:
                # Longer than the name field of a header, so that the name stands in a record of its own.
                long = f"pictures/{part}/{CLASSES[label]}/{'deep/' * 25}{name}.png"
                add(archive, long, png)
    (out / "packed-split.tgz").write_bytes(gzip.compress(buffer.getvalue(), mtime=0))

    for name, version in (("earliest", "earliest"), ("latest", "latest")):
        folder = out / f"hdf5-{name}"
        folder.mkdir(exist_ok=True)
        for part, samples in (("train", all_images), ("val", all_images[::2])):
            with h5py.File(folder / f"{part}.h5", "w", libver=version) as file:
                for label, image, _, png in reversed(samples):
                    group = file.require_group(CLASSES[label])
                    group.create_dataset(f"{image}.png", data=np.frombuffer(png, np.uint8))
    with h5py.File(out / "chunked.h5", "w") as file:
        for label, image, _, png in all_images:
            group = file.require_group(CLASSES[label])
            data = np.frombuffer(png, np.uint8)
            filters = {"compression": "gzip"} if image == "dog_001" else {}
            group.create_dataset(f"{image}.png", data=data, **filters)

    folder = out / "hub" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    parquet(folder / "train-00000-of-00002.parquet", all_images[:7], "number", 3, "snappy")
    parquet(folder / "train-00001-of-00002.parquet", all_images[7:], "number", 3, "zstd")
    parquet(folder / "validation-00000-of-00001.parquet", all_images[::2], "number", 100, "gzip")
    parquet(out / "named.parquet", all_images, "name", 5, "lz4")
    parquet(out / "unlabelled.parquet", all_images, None, 5, "none")
    parquet(out / "some-missing.parquet", all_images, "some", 5, "snappy")
    parquet(out / "hidden.parquet", all_images, "hidden", 5, "snappy")
    parquet(out / "wrong-label.parquet", all_images, "wrong", 5, "snappy")

    folder = out / "idx"
    folder.mkdir(exist_ok=True)
    for part, samples in (("train", all_images), ("t10k", all_images[::2])):
        # One channel is all that the format has: the red one.
        red = b"".join(pixels[:, :, 0].tobytes() for _, _, pixels, _ in samples)
        head = struct.pack(">4B3I", 0, 0, 8, 3, len(samples), 32, 32)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + red, mtime=0))
        head = struct.pack(">4BI", 0, 0, 8, 1, len(samples))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + bytes(label for label, *_ in samples))

    folder = out / "cifar-10-batches-bin"
    folder.mkdir(exist_ok=True)
    record = lambda label, pixels: bytes([label]) + pixels.transpose(2, 0, 1).tobytes()
    for batch, places in enumerate([(0, 3), (3, 6), (6, 9), (9, 11), (11, 12)], start=1):
        content = [record(label, pixels) for label, _, pixels, _ in all_images[slice(*places)]]
        (folder / f"data_batch_{batch}.bin").write_bytes(b"".join(content))
    content = [record(label, pixels) for label, _, pixels, _ in all_images[::2]]
    (folder / "test_batch.bin").write_bytes(b"".join(content))
    names = CLASSES + [f"class {number}" for number in range(3, 10)]
    (folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    folder = out / "cifar-100-binary"
    folder.mkdir(exist_ok=True)
    for part, samples in (("train", all_images), ("test", all_images[::2])):
        content = [bytes([9]) + record(label, pixels) for label, _, pixels, _ in samples]
        (folder / f"{part}.bin").write_bytes(b"".join(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
