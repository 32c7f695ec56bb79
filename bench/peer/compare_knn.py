"""Runs `sslight bench knn`, scikit-learn and faiss in turn and prints the ratios of their times.

    python bench/peer/compare_knn.py [--rounds N] [--binary PATH]

Each measurement is a process of its own, one at a time.
"""

import argparse
import pathlib
import sys

from compare import HERE, ROOT, run, spread

SIZES = ["--queries", "10000", "--bank", "60000", "--dim", "512", "--k", "20", "--tries", "3"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "sslight")
    args = parser.parse_args()
    ours, peers = [], {"sklearn": [], "faiss": []}
    for _ in range(args.rounds):
        ours.append(run([args.binary, "bench", "knn", *SIZES, "--json"])["seconds"])
        for peer, times in peers.items():
            times.append(run([sys.executable, HERE / "knn.py", peer, *SIZES])["seconds"])
    print(f"10,000 queries, 60,000 x 512 features, k = 20; medians of {args.rounds} rounds (smallest to largest)")
    print(f"sslight {spread(ours)} s")
    for peer, times in peers.items():
        ratios = [a / b for a, b in zip(ours, times)]
        print(f"{peer} {spread(times)} s, ratio {spread(ratios)}")


if __name__ == "__main__":
    main()
