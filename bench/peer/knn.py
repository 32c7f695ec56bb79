"""Exact search of nearest neighbours by cosine with scikit-learn or faiss, as `sslight bench knn` measures it.

    python bench/peer/knn.py {sklearn,faiss} [--queries N] [--bank N] [--dim N] [--k N] [--tries N]

Prints JSON. Features are random; what is timed is normalising and searching, from arrays to arrays.
"""

import argparse
import json
import statistics
import time

import numpy as np

THREADS = 2


def normalized(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def search_faiss(bank, queries, k):
    import faiss

    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatIP(bank.shape[1])
    index.add(normalized(bank))
    return index.search(normalized(queries), k)[1]


def search_sklearn(bank, queries, k):
    from sklearn.neighbors import NearestNeighbors

    # On the unit sphere the order by distance is that by cosine, and the Euclidean search is the faster one.
    index = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="euclidean", n_jobs=THREADS)
    index.fit(normalized(bank))
    return index.kneighbors(normalized(queries), return_distance=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["sklearn", "faiss"])
    for name, default in [("queries", 10_000), ("bank", 60_000), ("dim", 512), ("k", 20), ("tries", 3)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    bank, queries = (
        (rng.random((rows, args.dim), dtype=np.float32) - 0.5) for rows in (args.bank, args.queries)
    )
    search = {"faiss": search_faiss, "sklearn": search_sklearn}[args.peer]
    times = []
    for _ in range(args.tries):
        started = time.perf_counter()
        found = search(bank, queries, args.k)
        times.append(time.perf_counter() - started)
        assert found.shape == (args.queries, args.k)
    print(json.dumps({"peer": args.peer, "seconds": statistics.median(times)}))


if __name__ == "__main__":
    main()
