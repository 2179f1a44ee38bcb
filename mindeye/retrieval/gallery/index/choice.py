"""Which index suits a gallery: by its size, the recall that is asked for, and the memory."""

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "hnsw", "ivf-rabitq", "ivf-pq"]
KINDS: tuple[Kind, ...] = ("exact", "hnsw", "ivf-rabitq", "ivf-pq")

# Numbers that exact search compares in some 30 ms a query, 1.5 ms in a batch of 64, on two cores
# (1 million x 768: 300 and 15 ms): no index is worth its disk below.
EXACT_NUMBERS = 100_000 * 768
# HNSW answers alone where others probe many cells, but adding takes 10 minutes a million.
HNSW_VECTORS, HNSW_RECALL, HNSW_NEIGHBOURS = 500_000, 0.98, 32
# faiss warns below 39 training vectors a list.
PER_LIST = 40
ITERATIONS = 10
"""Of k-means."""
# The libraries (1.0 GB), a block of vectors with its products, and a shard that is mapped.
BASE_BYTES = 1_400_000_000
# What two idle cores of an AVX-512 processor did with one and ten million vectors: products a
# second in bfloat16 and in faiss's float32, vectors a second through rotation, encoding and
# reading; added to HNSW.
PRODUCTS_PER_S, FLOAT32_PER_S, ENCODED_PER_S, HNSW_PER_S = 5e11, 5e10, 80_000, 1_600


@dataclass(frozen=True, kw_only=True)
class IndexChoice:
    """What will be built, and what it is expected to cost."""

    kind: Kind
    lists: int
    """Of the inverted file; 0 where there is none."""
    sample: int
    """Vectors that it is trained on."""
    bytes_per_vector: float
    """On the disk, codes, row numbers and centroids; without the embeddings."""
    memory: int
    """Bytes of the build at its peak; mapped files aside, which the system takes back."""
    minutes: float
    """Of the build, on two cores."""
    reason: str

    @property
    def lines(self) -> list[str]:
        """For the screen."""
        if self.kind == "exact":
            return [f"index: exact search, nothing is built; {self.reason}"]
        lists = f"{self.lines_of_lists}, " if self.lists else ""
        return [
            f"index: {self.kind}; {self.reason}",
            f"expected: {lists}{self.bytes_per_vector:.0f} bytes a vector, "
            f"{self.memory / 1e9:.1f} GB of memory, {self.minutes:.1f} minutes on two idle cores",
        ]

    @property
    def lines_of_lists(self) -> str:
        return f"{self.lists:,} lists trained on {self.sample:,} vectors"


def choose_index(
    num_vectors: int,
    width: int,
    *,
    recall: float,
    memory: int,
    kind: Kind | Literal["auto"] = "auto",
    lists: int | None = None,
) -> IndexChoice:
    """Chooses by size, recall and memory.

    Args:
        recall: share of the 16 most similar vectors that a search shall find.
        memory: bytes that the build may take.
        kind: what it must be; `auto` decides.
        lists: how many it must have; by default some 4 sqrt(vectors), a power of two.

    Raises:
        ValueError: a recall, number of lists or memory with which nothing can be built.
    """
    if not 0 < recall <= 1:
        raise ValueError(f"A recall of {recall} is asked for. Choose above 0 and at most 1.")
    if kind == "auto":
        kind, reason = _kind_of(num_vectors, width, recall, memory)
    else:
        reason = "as asked"
    if kind == "exact":
        return _without_lists(kind, num_vectors, width, reason)
    if kind == "hnsw":
        return _require_memory(_without_lists(kind, num_vectors, width, reason), memory)
    wanted = min(default_lists(num_vectors), num_vectors) if lists is None else lists
    if not 1 <= wanted <= num_vectors:
        raise ValueError(
            f"{wanted} lists are asked for, but there are {num_vectors} vectors. Choose from 1 to "
            "their number."
        )
    choice = _with_lists(kind, num_vectors, width, wanted, reason)
    # Half the lists cost half the memory of training, and more scanning in each search.
    while lists is None and choice.memory > memory and wanted > 1:
        wanted //= 2
        told = f"{reason}; {wanted:,} lists, because training more takes more memory"
        choice = _with_lists(kind, num_vectors, width, wanted, told)
    return _require_memory(choice, memory)


def default_lists(num_vectors: int) -> int:
    """4,096 at a million, 8,192 at ten, 262,144 at 5.85 billion."""
    return 2 ** max(0, int(math.log2(4.1 * math.sqrt(max(1, num_vectors)))))


def _kind_of(num_vectors: int, width: int, recall: float, memory: int) -> tuple[Kind, str]:
    if num_vectors * width <= EXACT_NUMBERS:
        return "exact", f"{num_vectors:,} vectors are compared in some 30 ms a query or less"
    hnsw = _without_lists("hnsw", num_vectors, width, "")
    if num_vectors <= HNSW_VECTORS and recall >= HNSW_RECALL and hnsw.memory <= memory:
        return "hnsw", (
            f"{num_vectors:,} vectors fit in memory, and a recall of {recall:g} would take many "
            "probes in an inverted file"
        )
    return "ivf-rabitq", f"{num_vectors:,} vectors at a bit a number, found ones compared exactly"


def _without_lists(kind: Kind, num_vectors: int, width: int, reason: str) -> IndexChoice:
    """Exact search, or a graph: a byte a number, and twice as many links at its lowest level."""
    graph = kind == "hnsw"
    size = width + 2 * HNSW_NEIGHBOURS * 4 + 16 if graph else 0
    return IndexChoice(
        kind=kind,
        lists=0,
        sample=min(num_vectors, 50_000) if graph else 0,
        bytes_per_vector=size,
        memory=BASE_BYTES + size * num_vectors,
        minutes=num_vectors / HNSW_PER_S / 60 if graph else 0.0,
        reason=reason,
    )


def _with_lists(kind: Kind, num_vectors: int, width: int, lists: int, reason: str) -> IndexChoice:
    # RaBitQ: a bit a number and two factors; PQ: a byte for 8 numbers; a row number each.
    code = (width + 7) // 8 + (8 if kind == "ivf-rabitq" else 0) + 8
    # Each codebook of PQ has 256 words, and faiss warns below 39 vectors for each.
    sample = min(num_vectors, PER_LIST * max(lists, 256 if kind == "ivf-pq" else 1))
    products = 2.0 * width * lists * (num_vectors + ITERATIONS * sample)
    seconds = products / PRODUCTS_PER_S + num_vectors / ENCODED_PER_S
    if kind == "ivf-pq":
        # 25 iterations of k-means among 256 words, in float32.
        seconds += 25 * 2.0 * 256 * width * min(sample, 65_536) / FLOAT32_PER_S
    return IndexChoice(
        kind=kind,
        lists=lists,
        sample=sample,
        # Centroids and the rotation beside the codes.
        bytes_per_vector=code + 4 * width * (lists + width) / num_vectors,
        # The sample; the centroids in float32 and bfloat16, their sums, and the products of a block
        # with all of them.
        memory=BASE_BYTES + 4 * width * sample + 14 * width * lists + 4 * 4096 * lists,
        minutes=seconds / 60,
        reason=reason,
    )


def _require_memory(choice: IndexChoice, memory: int) -> IndexChoice:
    if choice.memory > memory:
        raise ValueError(
            f"Building {choice.kind} takes {choice.memory / 1e9:.1f} GB of memory, but "
            f"{memory / 1e9:.1f} GB are allowed. Allow more with --memory, or choose fewer --lists "
            "or another --kind."
        )
    return choice
