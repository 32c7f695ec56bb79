"""Writes the files that src/weights/pytorch/tests.rs reads; made with torch 2.15, numpy 2.4 and yacs 0.1.8.

Run in this folder: python generate.py
"""

import argparse
import collections

import numpy as np
import torch
from yacs.config import CfgNode


class Extra:
    """A class that no weights file needs."""


def state_dict():
    base = torch.arange(12, dtype=torch.float32) / 4
    table = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    module = torch.nn.Linear(2, 1)
    module.weight.data = torch.tensor([[0.5, -2.0]])
    module.bias.data = torch.tensor([1.5])
    tensors = collections.OrderedDict(
        f64=torch.tensor([1.0, 1e-3], dtype=torch.float64),
        f32=table,
        f16=torch.tensor([1.5, -2.0, 65504.0, 2.0**-24], dtype=torch.float16),
        bf16=torch.tensor([1.5, -2.0, 2.0**100], dtype=torch.bfloat16),
        i64=torch.tensor(2**40 + 1),
        i32=torch.tensor([-7], dtype=torch.int32),
        i16=torch.tensor([-300], dtype=torch.int16),
        i8=torch.tensor([-5], dtype=torch.int8),
        u8=torch.tensor([250], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        transposed=table.t(),
        # Two views of one storage, the second with a stride and an offset.
        shared=base[2:6],
        strided=base[1::5],
        expanded=torch.tensor([3.0]).expand(2, 2),
        empty=torch.zeros(0, 4),
        parameter=torch.nn.Parameter(torch.tensor([8.0])),
    )
    tensors._metadata = collections.OrderedDict({"": {"version": 1}})
    tensors.update(module.state_dict(prefix="linear."))
    return tensors


def checkpoint():
    config = CfgNode({"MODEL": {"ARCH": "tiny", "SIZES": [1, 2]}, "LR": 0.25})
    config.freeze()
    return {
        "state_dict": state_dict(),
        "config": config,
        "args": argparse.Namespace(arch="tiny", lr=0.5, resume=None),
        "optimizer": {
            "state": {0: {"mu": torch.tensor([0.25])}},
            "param_groups": [{"lr": np.float64(0.1), "params": [0]}],
        },
        "numpy": [np.float32(0.5), np.int64(-3), np.uint8(200), np.bool_(True), np.float16(1.5)],
        "epoch": 3,
        "large": 2**70,
        "negative": -(2**40),
        "tuple": (None, True, "text", b"\x00\xff"),
        "set": {5},
        "factory": collections.defaultdict(list, {"a": [1]}),
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
    }


def main():
    torch.save(checkpoint(), "zip.pt")
    torch.save(checkpoint(), "zip_protocol4.pt", pickle_protocol=4)
    torch.save(checkpoint(), "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": state_dict(), "extra": Extra()}, "unknown_class.pt")


if __name__ == "__main__":
    main()
