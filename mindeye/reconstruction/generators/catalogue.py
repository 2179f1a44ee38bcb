"""Facts of every generator: what it takes, where its weights are, under which licence."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


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


CATALOGUE: Mapping[str, GeneratorFacts] = MappingProxyType(
    {
        "scenes": GeneratorFacts(
            about="offline: drawn scenes, small, comes with the package",
            token_shape=None,
            clip="scenes-clip, in the package",
            form="projected",
            side=None,
        ),
        "versatile": GeneratorFacts(
            about="MindEye1's: Versatile Diffusion, image branch",
            token_shape=(257, 768),
            clip="OpenAI CLIP ViT-L/14",
            form="projected",
            side=512,
            parts=(
                HubPart(
                    repository="shi-labs/versatile-diffusion",
                    files=("image_unet/*", "vae/*", "scheduler/*"),
                    gigabytes=3.8,
                    licence="MIT",
                ),
            ),
            memory=Memory(weights_gigabytes=1.9, estimate_gigabytes=3.5, card_gigabytes=8),
        ),
        "image-variations": GeneratorFacts(
            about="of MindEye1's 1 x 768 variant: Stable Diffusion image variations",
            token_shape=(1, 768),
            clip="OpenAI CLIP ViT-L/14",
            form="embedding",
            side=512,
            parts=(
                HubPart(
                    repository="lambdalabs/sd-image-variations-diffusers",
                    files=("unet/*", "vae/*", "scheduler/*"),
                    gigabytes=3.8,
                    licence="CreativeML OpenRAIL-M",
                    revision="v2.0",
                ),
            ),
            memory=Memory(weights_gigabytes=1.9, estimate_gigabytes=3.5, card_gigabytes=8),
        ),
        "unclip": GeneratorFacts(
            about="MindEye2's: SDXL unCLIP; `mindeye convert unclip` makes its folder",
            token_shape=(256, 1664),
            clip="OpenCLIP ViT-bigG-14, laion2b_s39b_b160k",
            form="patches",
            side=768,
            parts=(
                HubPart(
                    repository="pscotti/mindeyev2",
                    files=("unclip6_epoch0_step110000.ckpt",),
                    # Counted in float32, with the image side of its CLIP; the hub was not asked.
                    gigabytes=17.7,
                    licence="none is told; it derives from SDXL (CreativeML Open RAIL++-M): ask "
                    "its authors",
                    is_dataset=True,
                ),
            ),
            # UNet in 16 bits, VAE in float32.
            memory=Memory(weights_gigabytes=5.3, estimate_gigabytes=8.4, card_gigabytes=12),
        ),
        "ip-adapter-sdxl": GeneratorFacts(
            about="maintained and widely used: SDXL with IP-Adapter-Plus",
            token_shape=(257, 1280),
            clip="OpenCLIP ViT-H-14, laion2b_s32b_b79k",
            form="penultimate",
            side=1024,
            parts=(
                HubPart(
                    repository="stabilityai/stable-diffusion-xl-base-1.0",
                    files=(
                        "unet/config.json",
                        "unet/*.fp16.safetensors",
                        "vae/config.json",
                        "vae/*.fp16.safetensors",
                        "scheduler/*",
                    ),
                    gigabytes=5.3,
                    licence="CreativeML Open RAIL++-M",
                ),
                HubPart(
                    repository="h94/IP-Adapter",
                    files=("sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors",),
                    gigabytes=0.85,
                    licence="Apache-2.0",
                ),
            ),
            memory=Memory(weights_gigabytes=6.3, estimate_gigabytes=10.7, card_gigabytes=12),
        ),
        "ip-adapter-sd15": GeneratorFacts(
            about="for small cards: Stable Diffusion 1.5 with IP-Adapter-Plus",
            token_shape=(257, 1280),
            clip="OpenCLIP ViT-H-14, laion2b_s32b_b79k",
            form="penultimate",
            side=512,
            parts=(
                HubPart(
                    repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
                    files=(
                        "unet/config.json",
                        "unet/*.fp16.safetensors",
                        "vae/config.json",
                        "vae/*.fp16.safetensors",
                        "scheduler/*",
                    ),
                    gigabytes=1.9,
                    licence="CreativeML OpenRAIL-M",
                ),
                HubPart(
                    repository="h94/IP-Adapter",
                    files=("models/ip-adapter-plus_sd15.safetensors",),
                    gigabytes=0.1,
                    licence="Apache-2.0",
                ),
            ),
            memory=Memory(weights_gigabytes=2.15, estimate_gigabytes=4.2, card_gigabytes=8),
        ),
    }
)


PUBLISHED_GENERATOR_OF: Mapping[str, str] = MappingProxyType(
    {"mindeye1": "versatile", "mindeye2": "unclip"}
)
"""What the published systems draw with."""


def facts_of(name: str) -> GeneratorFacts:
    """The facts of one generator.

    Raises:
        LookupError: an unknown name.
    """
    if name not in CATALOGUE:
        raise LookupError(f"Unknown generator `{name}`. Choose one of {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]
