"""An inverted file of faiss: cells and codes that are trained once, over lists on the disk.

| kind | faiss | a code |
|---|---|---|
| ivf-rabitq | RR768,IVFn,RaBitQ | signs of a rotated residual, two factors (arXiv:2405.12497) |
| ivf-pq | IVFn,PQ96 | a byte for 8 numbers of a residual |
"""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8

from mindeye.retrieval.gallery.index.choice import ITERATIONS, IndexChoice
from mindeye.retrieval.gallery.index.coarse import Precision, nearest_cells, spherical_kmeans

# What a codebook of product quantisation learns from: 256 vectors for each of its 256 words.
PQ_SAMPLE = 65_536
ROW_BYTES = 8
"""Of a gallery row, beside each code."""


class InvertedFile:
    """Cells and codes of one index; holds no lists while it builds."""

    def __init__(self, index: faiss.Index) -> None:
        self.index = index
        self.ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
        flat = faiss.downcast_index(self.ivf.quantizer)
        self.centroids = torch.from_numpy(flat.reconstruct_n(0, flat.ntotal))

    @property
    def num_lists(self) -> int:
        return self.ivf.nlist

    @property
    def code_bytes(self) -> int:
        return self.ivf.code_size

    def rotated(self, vectors: Float32[np.ndarray, "vectors width"]) -> np.ndarray:
        """As cells and codes see them."""
        return _rotated(self.index, vectors)

    def encoded(
        self, vectors: Float32[np.ndarray, "vectors width"], precision: Precision
    ) -> tuple[Int64[np.ndarray, "vectors"], UInt8[np.ndarray, "vectors code"]]:
        """Each vector's list, and its code there."""
        turned = np.ascontiguousarray(self.rotated(vectors))
        cells = nearest_cells(torch.from_numpy(turned), self.centroids, precision)
        codes = np.empty((len(turned), self.code_bytes), dtype=np.uint8)
        pointers = (faiss.swig_ptr(one) for one in (turned, cells, codes))
        self.ivf.encode_vectors(len(turned), *pointers)
        return cells, codes

    def save(self, path: Path) -> None:
        faiss.write_index(self.index, str(path))

    def use_lists(self, path: Path, sizes: Int64[np.ndarray, "lists"]) -> None:
        """Maps a file of lists, codes before rows in each; none of it comes into memory.

        Not through a saved index over lists: faiss 1.15.1 reads these with `IO_FLAG_MMAP` and ends
        the process at the first search, keeps absolute paths, or prints.
        """
        stored = faiss.OnDiskInvertedLists(self.num_lists, self.code_bytes, str(path))
        stored.read_only = True
        counts = np.ascontiguousarray(sizes, dtype=np.uint64)
        stored.set_all_lists_sizes(faiss.swig_ptr(counts))
        stored.totsize = int(sizes.sum()) * (self.code_bytes + ROW_BYTES)
        stored.do_mmap()
        self.ivf.replace_invlists(stored, True)
        stored.this.disown()
        self.index.ntotal = self.ivf.ntotal = int(sizes.sum())


def trained(
    choice: IndexChoice,
    sample: Float32[np.ndarray, "vectors width"],
    *,
    seed: int,
    precision: Precision,
    progress: Callable[[int, int], None] | None = None,
) -> InvertedFile:
    """Learns cells and codes.

    Args:
        sample: training vectors; rotated in place, because two of them may not fit in memory.
    """
    width = sample.shape[1]
    if choice.kind == "ivf-pq":
        factory = f"IVF{choice.lists},PQ{_pq_bytes(width)}"
    else:
        factory = f"RR{width},IVF{choice.lists},RaBitQ"
    index = faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
    if choice.kind == "ivf-rabitq":
        faiss.downcast_VectorTransform(index.chain.at(0)).init(seed)
        index.chain.at(0).is_trained = True
    for start in range(0, len(sample), PQ_SAMPLE):
        sample[start : start + PQ_SAMPLE] = _rotated(index, sample[start : start + PQ_SAMPLE])
    turned = torch.from_numpy(sample)
    found = spherical_kmeans(
        turned,
        choice.lists,
        seed=seed,
        iterations=ITERATIONS,
        precision=precision,
        progress=progress,
    )
    ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
    ivf.quantizer.add(found.numpy())
    if choice.kind == "ivf-pq":
        # Orders codewords for a search by Hamming distance, which nobody here does; without it
        # training is 50 times faster.
        ivf.do_polysemous_training = False
    # The cells are there: only the codebooks of PQ are left, and flags.
    ivf.train(turned[:PQ_SAMPLE].numpy())
    index.is_trained = True
    return InvertedFile(index)


def opened(path: Path) -> InvertedFile:
    """Reads what `InvertedFile.save` has written."""
    return InvertedFile(faiss.read_index(str(path)))


def _rotated(index: faiss.Index, vectors: np.ndarray) -> np.ndarray:
    if isinstance(faiss.downcast_index(index), faiss.IndexPreTransform):
        return index.chain.at(0).apply(vectors)
    return vectors


def _pq_bytes(width: int) -> int:
    """Bytes of a code: one for 8 numbers, as near as the width can be divided."""
    return max(count for count in range(1, max(1, width // 8) + 1) if width % count == 0)
