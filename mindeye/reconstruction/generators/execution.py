"""How a generator's networks are held and run: for small cards and fast ones; nothing slow here."""

from dataclasses import dataclass

DTYPES = ("float32", "float16", "bfloat16")
OFFLOADS = ("none", "networks", "layers")
SLICINGS = ("none", "slices", "tiles")


@dataclass(frozen=True, kw_only=True)
class GeneratorExecution:
    """Of the generators that are published elsewhere; the offline one needs none of it."""

    dtype: str = "float32"
    """Of the networks: one of `DTYPES`. Half the memory with 16 bits; latents stay float32."""
    offload: str = "none"
    """One of `OFFLOADS`: UNet and VAE wait on the CPU until each is called (`networks`), or every
    layer does (`layers`: least memory, slowest)."""
    slicing: str = "none"
    """One of `SLICINGS`: attention in slices and the VAE picture by picture (`slices`), the VAE
    also in overlapping tiles, whose seams change pictures a little (`tiles`)."""
    compile: bool = False
    """Whether torch.compile makes kernels of its own for the UNet: minutes at the first call."""

    def __post_init__(self) -> None:
        for name, choices in (("dtype", DTYPES), ("offload", OFFLOADS), ("slicing", SLICINGS)):
            if getattr(self, name) not in choices:
                raise LookupError(
                    f"Unknown {name} of the generator `{getattr(self, name)}`. "
                    f"Choose one of {', '.join(choices)}."
                )

    @property
    def mark(self) -> str:
        """What the generator's identity says of settings that change pictures visibly."""
        dtype = "" if self.dtype == "float32" else f"+{self.dtype}"
        return dtype + ("+tiles" if self.slicing == "tiles" else "")


PLAIN = GeneratorExecution()
