"""When test images were scanned: for a null in which whole runs of the scanner change places."""

import numpy as np
from jaxtyping import Int

from mindeye.data.batches import PreparedSubject
from mindeye.metrics.permutation import permuted_blocks
from mindeye.retrieval.embedding_pairs import ScanOrder


def scan_order_of(prepared: PreparedSubject) -> ScanOrder:
    """Of the test images of a prepared subject.

    Raises:
        ValueError: an image was shown more than once, in runs of which none is its own.
    """
    table = prepared.table("test")
    image_ids, counts = np.unique(table.image_ids, return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"{(counts > 1).sum()} of {len(counts)} test images in {prepared.path} were shown up "
            f"to {counts.max()} times and their scans are averaged: no run of the scanner is "
            "theirs. Use --null labels, or give --embeddings of one trial of each image."
        )
    shown = np.argsort(table.trials, kind="stable")
    both = np.stack([table.sessions, table.runs], axis=1)[shown]
    return ScanOrder(
        rows=np.searchsorted(image_ids, table.image_ids[shown]),
        # Runs count anew in each session.
        runs=np.unique(both, axis=0, return_inverse=True)[1].reshape(-1),
    )


def partners(scan: ScanOrder, rng: np.random.Generator) -> Int[np.ndarray, "images"]:
    """For each row the row in whose place it stands when whole runs have changed places.

    Raises:
        ValueError: see `permuted_blocks`.
    """
    partner = np.empty_like(scan.rows)
    partner[scan.rows] = scan.rows[permuted_blocks(scan.runs, rng)]
    return partner
