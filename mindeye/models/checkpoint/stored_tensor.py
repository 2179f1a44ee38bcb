"""A tensor that lies in a file: its bytes are mapped when it is asked for, and only then."""

import math
import mmap
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(kw_only=True)
class Storage:
    """Bytes of a file that one or several tensors share."""

    path: Path
    num_bytes: int
    dtype: torch.dtype
    start: int = 0
    """First byte; old files tell it only after the tensors that use it."""


class MappedTensor(Tensor):
    """A tensor whose clone is one more mapping of the same bytes of its file.

    Mappings are copied page by page when they are written to, so a clone is as good as a copy, and
    a network can be filled from a checkpoint larger than the memory. Whatever else is done with
    it gives ordinary tensors.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl
    stored: "StoredTensor"

    def detach(self) -> Tensor:
        return self

    def clone(self, **options) -> Tensor:
        return self.stored.map(Tensor)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredTensor:
    """What a checkpoint says of one tensor; `load` maps it."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    """First element, counted from the storage's start."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def span(self) -> int:
        """Elements from the first to the last that the tensor touches."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides))

    @property
    def is_whole(self) -> bool:
        """Whether sizes are possible and all elements lie inside of the storage."""
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or min(numbers) < 0:
            return False
        return (self.offset + self.span) * self.dtype.itemsize <= self.storage.num_bytes

    def load(self) -> Tensor:
        """The tensor; its pages come from the file as they are touched, and go with it.

        Writing to it changes memory only, never the file.
        """
        if self.span == 0:
            return torch.empty(self.shape, dtype=self.dtype)
        tensor = self.map(MappedTensor)
        tensor.stored = self
        return tensor

    def map(self, kind: type[Tensor]) -> Tensor:
        """One more mapping of the tensor's bytes, as an ordinary tensor or a `MappedTensor`."""
        start = self.storage.start + self.offset * self.dtype.itemsize
        page = start - start % mmap.ALLOCATIONGRANULARITY
        with self.storage.path.open("rb") as stream:
            memory = mmap.mmap(
                stream.fileno(),
                start - page + self.span * self.dtype.itemsize,
                offset=page,
                access=mmap.ACCESS_COPY,
            )
        flat = torch.frombuffer(memory, dtype=self.dtype, count=self.span, offset=start - page)
        return flat.as_strided(self.shape, self.strides).as_subclass(kind)


@dataclass(frozen=True, eq=False, kw_only=True)
class PartitionedTensor:
    """A tensor whose elements are spread over flat pieces, as DeepSpeed's ZeRO leaves them."""

    pieces: tuple[StoredTensor, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype:
        return self.pieces[0].dtype

    def load(self) -> Tensor:
        """The tensor; copied only where it spans several pieces."""
        loaded = [piece.load() for piece in self.pieces]
        return (loaded[0] if len(loaded) == 1 else torch.cat(loaded)).view(self.shape)


def flat_piece(flat: StoredTensor, first: int, count: int) -> StoredTensor:
    """`count` elements of a flat tensor from `first` on."""
    return StoredTensor(
        storage=flat.storage,
        dtype=flat.dtype,
        offset=flat.offset + first,
        shape=(count,),
        strides=(1,),
    )


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a C-ordered tensor."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
