"""What is told of a generator before its weights are there."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HubPart:
    """Some files of one hub repository."""

    repository: str
    files: tuple[str, ...]
    """Patterns, as `hf download --include` takes them."""
    gigabytes: float
    licence: str
    revision: str | None = None
    """A branch, tag or commit; None: the main branch."""
    is_dataset: bool = False
    """Whether the hub files it under data sets."""

    @property
    def command(self) -> str:
        """What fetches it into the hub's cache."""
        words = ["hf", "download", self.repository]
        words += ["--type", "dataset"] if self.is_dataset else []
        words += ["--revision", self.revision] if self.revision else []
        return " ".join([*words, *(f"--include '{one}'" for one in self.files)])


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one picture at a time needs in 16 bits, with guidance; computed, not measured."""

    weights_gigabytes: float
    """UNet, adapter and VAE, counted on the meta device; SDXL's VAE and that of IP-Adapter in 32
    bits."""
    estimate_gigabytes: float
    """The peak with activations and about 1.2 GB for CUDA itself; an estimate."""
    card_gigabytes: int
    """The smallest usual card (8, 12, 16 or 24 GB) that this fits."""


@dataclass(frozen=True, kw_only=True)
class DrawingDefaults:
    """With what a generator draws where nobody says otherwise."""

    steps: int
    guidance: float
    strength: float | None = None
    """None: nothing is published of it, so that of the offline generator."""
    system: str = "none"
    """The published system that draws so: a key of `mindeye.quirks.PUBLISHED`."""
    source: str
    """Where these numbers are from."""


@dataclass(frozen=True, kw_only=True)
class GeneratorFacts:
    """What a user must know of a generator before its weights are there."""

    about: str
    token_shape: tuple[int, int] | None
    """(tokens, width); None: as its weights say."""
    clip: str
    """The target network whose tokens it takes."""
    form: str
    """Of these tokens: a key of `mindeye.targets.clip.FORMS`."""
    side: int | None
    """Of its pictures in pixels; None: as its weights say."""
    defaults: DrawingDefaults
    train_times: int = 1000
    """Noise levels of its schedule: it takes no more steps than these."""
    parts: tuple[HubPart, ...] = ()
    """None are needed by what comes with the package."""
    memory: Memory | None = None
    """None: next to nothing."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Where its weights are from and which card runs it, for the screen."""
        lines = [
            f"{part.repository}, {part.gigabytes:g} GB, licence: {part.licence}"
            for part in self.parts
        ]
        if self.memory:
            lines.append(
                f"about {self.memory.estimate_gigabytes:g} GB of GPU memory for a picture at a "
                f"time in 16 bits (an estimate; {self.memory.weights_gigabytes:g} GB are weights): "
                f"a card of {self.memory.card_gigabytes} GB"
            )
        return tuple(lines)
