"""Makes the embedded sample: the first images of each class of Fashion-MNIST, in file order.

    python3 make_subset.py FOLDER

FOLDER holds the four original IDX .gz files; the subset is written beside this script under the same
names. Needs the standard library alone and gives the same bytes each time.
"""

import gzip
import pathlib
import struct
import sys
import zlib

OF_EACH_CLASS = {"train": 400, "t10k": 100}
CLASSES = 10


def pack(data: bytes) -> bytes:
    """A gzip member with neither name nor time, so that the bytes depend on the data alone."""
    body = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    header = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 255])
    return header + body.compress(data) + body.flush() + struct.pack("<II", zlib.crc32(data), len(data))


def main(source: pathlib.Path, target: pathlib.Path) -> None:
    for split, of_each in OF_EACH_CLASS.items():
        images_name, labels_name = f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz"
        images = gzip.decompress((source / images_name).read_bytes())
        labels = gzip.decompress((source / labels_name).read_bytes())[8:]
        _, count, height, width = struct.unpack(">IIII", images[:16])
        assert count == len(labels)
        left = [of_each] * CLASSES
        kept = []
        for index, label in enumerate(labels):
            if left[label]:
                left[label] -= 1
                kept.append(index)
        assert not any(left)
        area = height * width
        samples = b"".join(images[16 + area * i : 16 + area * (i + 1)] for i in kept)
        kept_labels = bytes(labels[i] for i in kept)
        head = struct.pack(">IIII", 0x803, len(kept), height, width)
        (target / images_name).write_bytes(pack(head + samples))
        (target / labels_name).write_bytes(pack(struct.pack(">II", 0x801, len(kept)) + kept_labels))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent)
