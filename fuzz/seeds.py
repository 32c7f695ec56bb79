"""Writes small valid files below seeds/, from which the fuzz targets start. Run in this folder: python seeds.py

The files under seeds/ were made with torch 2.x and numpy 2.x; any other versions do as well.
"""

import argparse
import collections
import io
import json
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import torch

SEEDS = pathlib.Path("seeds")


def write(target, name, content):
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def safetensors(tensors, metadata=None, pad=0):
    header = {} if metadata is None else {"__metadata__": metadata}
    values = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(values), len(values) + len(content)]}
        values += content
    text = json.dumps(header, separators=(",", ":")).encode() + b" " * pad
    return struct.pack("<Q", len(text)) + text + values, text + b"\0" + values


def checkpoints():
    linear = torch.nn.Linear(2, 1)
    states = linear.state_dict()
    table = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    yield "plain", states
    yield "views", {"a": table, "b": table.t(), "c": table[:, 1], "d": torch.ones(1).expand(2, 2), "e": torch.zeros(0, 3)}
    yield "types", {
        str(dtype)[6:]: torch.ones(2, dtype=dtype)
        for dtype in [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
                      torch.uint8, torch.bool]
    }
    yield "nested", {
        "epoch": 3,
        "model": {"module." + name: value for name, value in states.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": np.float64(0.1), "params": [0]}]},
        "args": argparse.Namespace(a=1, arch="tiny"),
    }
    yield "numbers", {
        "numpy": [np.float32(0.5), np.int64(-3), np.uint8(200), np.bool_(True), np.float16(1.5)],
        "large": 2**70, "negative": -(2**40), "tuple": (None, True, "text", b"\x00\xff"), "set": {5},
        "factory": collections.defaultdict(list, {"a": [1]}), "size": torch.Size([2, 3]), "dtype": torch.float16,
        "device": torch.device("cpu"), "parameter": torch.nn.Parameter(torch.ones(1)),
    }


def main():
    f32 = struct.pack("<2f", 1.0, 2.0)
    for name, tensors, metadata in [
        ("one", {"a": ("F32", [2], f32)}, None),
        ("several", {"a.weight": ("F32", [1, 2], f32), "a.bias": ("F16", [1], b"\0\x3c"), "n": ("I64", [], b"\1" + bytes(7)),
                     "empty": ("F32", [0, 3], b"")}, {"format": "pt"}),
        ("narrow", {"b": ("BOOL", [3], b"\0\1\2"), "h": ("BF16", [1], b"\x80\x3f"), "q": ("U8", [1], b"\7")}, {}),
    ]:
        whole, header_first = safetensors(tensors, metadata)
        write("safetensors", name, whole)
        write("safetensors", name + "_header", header_first)
    for name, saved in checkpoints():
        for protocol in [2, 4] if name == "numbers" else [2]:
            whole = io.BytesIO()
            torch.save(saved, whole, pickle_protocol=protocol)
            with zipfile.ZipFile(whole) as archive:
                stem = archive.namelist()[0].split("/")[0]
                # Without the alignment and the other files that torch.save writes.
                small = io.BytesIO()
                with zipfile.ZipFile(small, "w", zipfile.ZIP_STORED) as packed:
                    for entry in archive.namelist():
                        if entry.endswith("data.pkl") or "/data/" in entry:
                            packed.writestr(zipfile.ZipInfo("a" + entry[len(stem):]), archive.read(entry))
                objects = archive.read(stem + "/data.pkl")
                record = archive.read(stem + "/data/0") if stem + "/data/0" in archive.namelist() else b""
            write("pytorch_zip", f"{name}_{protocol}", small.getvalue())
            if len(objects) < 4096:
                write("pytorch_zip", f"{name}_{protocol}_packed", struct.pack("<H", len(objects) | 0x1000) + objects + record)
            write("pickle", f"{name}_{protocol}", objects)
            legacy = io.BytesIO()
            torch.save(saved, legacy, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
            write("pytorch_legacy", f"{name}_{protocol}", legacy.getvalue())
    whole = io.BytesIO()
    torch.save({"a": torch.ones(2)}, whole)
    write("pytorch_zip", "as_written", whole.getvalue())
    write("pickle", "plain_5", pickle.dumps({"a": [1, 2.5, "b", b"c", (1,), {2}, frozenset({3}), None]}, protocol=5))


if __name__ == "__main__":
    main()
