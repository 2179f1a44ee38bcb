"""What every metric is called, which way is better, what guessing gives and what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class MetricFacts:
    """What a table must say beside a number."""

    better: str
    """`higher` or `lower`."""
    chance: float | None
    """What guessing gives; None where it has no fixed value, and floors have to show it."""
    network: str | None
    """Name of the network that it needs; None for pixels and words."""
    output: str | None = None
    """Which of the network's outputs."""
    comparison: str
    """`pixels`, `two-way` (wins among all images), `distance` (one minus correlation), `cosine`,
    `pair` (the network compares by itself), `words`, `betas`."""
    column: str | None = None
    """Its column in the published tables (MindEye1, MindEye2: Table 1)."""


def _two_way(network: str, output: str, column: str | None) -> MetricFacts:
    return MetricFacts(
        better="higher",
        chance=0.5,
        network=network,
        output=output,
        comparison="two-way",
        column=column,
    )


def _distance(network: str, output: str, column: str) -> MetricFacts:
    return MetricFacts(
        better="lower",
        chance=None,
        network=network,
        output=output,
        comparison="distance",
        column=column,
    )


def _cosine(network: str) -> MetricFacts:
    return MetricFacts(
        better="higher", chance=None, network=network, output="embedding", comparison="cosine"
    )


def _lpips(network: str) -> MetricFacts:
    return MetricFacts(better="lower", chance=None, network=network, comparison="pair")


_PIXCORR = MetricFacts(
    better="higher", chance=None, network=None, comparison="pixels", column="PixCorr"
)
_SSIM = MetricFacts(better="higher", chance=None, network=None, comparison="pixels", column="SSIM")

METRIC_FACTS: Mapping[str, MetricFacts] = MappingProxyType(
    {
        "PixCorr": _PIXCORR,
        "SSIM": _SSIM,
        "two-way identification (AlexNet 2)": _two_way("alexnet", "features.4", "Alex(2)"),
        "two-way identification (AlexNet 5)": _two_way("alexnet", "features.11", "Alex(5)"),
        "two-way identification (InceptionV3)": _two_way("inception", "avgpool", "Incep"),
        "two-way identification (CLIP ViT-L/14)": _two_way("clip-vit-l-14", "embedding", "CLIP"),
        "distance (EfficientNet-B1)": _distance("efficientnet", "avgpool", "Eff"),
        "distance (SwAV)": _distance("swav", "avgpool", "SwAV"),
        # The CLIP that a run itself has learned from: not the field's column of that name.
        "two-way identification (CLIP)": _two_way("clip", "embedding", None),
        "cosine (CLIP ViT-L/14)": _cosine("clip-vit-l-14"),
        "cosine (SigLIP2)": _cosine("siglip2"),
        "LPIPS (alex)": _lpips("lpips-alex"),
        "LPIPS (squeeze)": _lpips("lpips-squeeze"),
        "LPIPS (vgg)": _lpips("lpips-vgg"),
    }
)
"""Every metric of pictures that has one value an image, in the order of tables."""

_WORDS = MetricFacts(better="higher", chance=None, network=None, comparison="words")
CAPTION_FACTS: Mapping[str, MetricFacts] = MappingProxyType(
    dict.fromkeys(("BLEU-4", "METEOR", "METEOR without synonyms", "ROUGE-1", "ROUGE-L"), _WORDS)
)
"""Of decoded captions; which METEOR it is depends on WordNet."""

BRAIN_CORRELATION = "brain correlation"
"""What such metrics begin with; the region follows in brackets."""
_BRAIN = MetricFacts(better="higher", chance=0.0, network=None, comparison="betas")


def facts_of(metric: str) -> MetricFacts:
    """Of any metric that has one value an image.

    Raises:
        LookupError: there is no such metric.
    """
    if metric.startswith(f"{BRAIN_CORRELATION} ("):
        return _BRAIN
    found = METRIC_FACTS.get(metric) or CAPTION_FACTS.get(metric)
    if found is None:
        known = ", ".join([*METRIC_FACTS, *CAPTION_FACTS])
        raise LookupError(f"Unknown metric `{metric}`. Choose one of {known}.")
    return found


def metrics_of(networks: Mapping[str, object]) -> list[str]:
    """The metrics that these networks allow, pixels first, in the order of tables."""
    return [
        name
        for name, facts in METRIC_FACTS.items()
        if facts.network is None or facts.network in networks
    ]
