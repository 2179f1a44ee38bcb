"""How much memory each generator takes for one picture, and the smallest usual card for it."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mindeye.files import write_json, write_text
from mindeye.reconstruction.generators.catalogue import CATALOGUE
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.verbs.benchmarks.drawing_memory import num_live_bytes, weight_bytes
from mindeye.verbs.benchmarks.random_in_memory import generator_plan, random_generator

RESULTS, TABLE = "generator-memory.json", "generator-memory.tsv"
CARDS = (8, 12, 16, 24, 32, 48, 80)
"""Gigabytes of usual cards."""
CUDA_GIGABYTES = 1.2
"""What CUDA's context and workspaces take beside what is allocated; an estimate."""
STEPS, STRENGTH, GUIDANCE = 4, 0.5, 3.5


@dataclass(frozen=True, kw_only=True)
class GeneratorMemory:
    """Of one picture at a time, with guidance, and a start that its VAE encodes."""

    generator: str
    dtype: str
    """Of the UNet."""
    weights_gigabytes: float
    peak_gigabytes: float
    """Weights and all else that lives at once."""
    how: str
    """Measured, or counted."""
    card_gigabytes: int | None
    """The smallest of `CARDS` that holds the peak and what CUDA takes; None: none does."""


def generator_memory(
    device: str, dtype: str, out: Path, names: Sequence[str] = (), *, small: bool = False
) -> Iterator[str]:
    """Lines with a generator each; OUT gets generator-memory.json and .tsv of all.

    On a CPU nothing is computed: what would live at once is counted on tensors without values.

    Args:
        names: of generators; none: all whose weights are published elsewhere.
        small: tiny networks of the same classes, for tests.

    Raises:
        LookupError: an unknown generator, or one that comes with the package.
    """
    names = names or [name for name, facts in CATALOGUE.items() if facts.parts]
    plans = [generator_plan(name, small=small) for name in names]
    how = "measured" if device == "cuda" else "counted, not measured"
    yield (
        f"One picture, UNet in {dtype}, networks RANDOM of the published classes, {how}; a card "
        f"also holds about {CUDA_GIGABYTES:g} GB of CUDA's own."
    )
    yield f"{'generator':18}{'weights GB':>12}{'peak GB':>10}{'card GB':>9}"
    found: list[GeneratorMemory] = []
    for plan in plans:
        weights = weight_bytes(plan.name, dtype=getattr(torch, dtype), small=small)
        if device == "cuda":
            peak = measured_bytes(
                random_generator(plan, dtype=getattr(torch, dtype), device=device)
            )
            gc.collect()
            torch.cuda.empty_cache()
        else:
            peak = max(num_live_bytes(plan.name, dtype=getattr(torch, dtype), small=small).values())
        one = GeneratorMemory(
            generator=plan.name,
            dtype=dtype,
            weights_gigabytes=weights / 1e9,
            peak_gigabytes=peak / 1e9,
            how=how,
            card_gigabytes=smallest_card(peak / 1e9),
        )
        found.append(one)
        _write(out, found)
        yield (
            f"{one.generator:18}{one.weights_gigabytes:12.2f}{one.peak_gigabytes:10.2f}"
            f"{one.card_gigabytes or 'none':>9}"
        )


def smallest_card(peak_gigabytes: float) -> int | None:
    """The smallest usual card that holds a peak and what CUDA takes for itself."""
    needed = peak_gigabytes + CUDA_GIGABYTES
    return next((card for card in CARDS if needed <= card), None)


@torch.inference_mode()
def draw_one(generator: ImageGenerator, device: str) -> torch.Tensor:
    """One picture from random tokens and a grey start, with guidance."""
    tokens = torch.randn(1, *generator.token_shape, generator=torch.Generator().manual_seed(0))
    start = torch.full((1, 3, generator.side, generator.side), 0.5, device=device)
    return generator.generate(
        tokens.to(device),
        start=start,
        strength=STRENGTH,
        steps=STEPS,
        guidance=GUIDANCE,
        generators=[torch.Generator().manual_seed(0)],
    )


def measured_bytes(generator: ImageGenerator) -> int:
    """The most that CUDA had allocated while a picture was drawn, the generator's own included."""
    torch.cuda.reset_peak_memory_stats()
    draw_one(generator, "cuda")
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def _write(out: Path, found: Sequence[GeneratorMemory]) -> None:
    rows = [asdict(one) for one in found]
    write_json(out / RESULTS, {"networks": "random weights", "generators": rows})
    lines = ["\t".join(rows[0])]
    lines += [
        "\t".join("" if value is None else str(value) for value in row.values()) for row in rows
    ]
    write_text(out / TABLE, "\n".join(lines) + "\n")
