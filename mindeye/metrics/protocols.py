"""Under which sizes and filters pictures are compared: one object that a score is kept with.

Published numbers move with the defaults of a library (torchvision's Resize antialiases tensors
since 0.17: SSIM moves by up to 0.1), so every step is stated here and none is left to a library.
"""

from dataclasses import dataclass, replace

from mindeye.metrics.pixels import NATIVE, PUBLISHED, ResizeChain
from mindeye.quirks import PUBLISHED as SYSTEMS
from mindeye.quirks import Quirks

EVALUATION_QUIRKS = ("aliased_resizing", "resized_through_256", "ssim_by_columns")
"""The switches of `Quirks` that change how pictures are scored."""


@dataclass(frozen=True, kw_only=True)
class MetricProtocol:
    """What pictures pass through before they are compared.

    Networks have an input side of their own (those of the published metrics are the published
    ones, without any crop); the protocol says how pictures come to that side.
    """

    name: str
    """native, mindeye1, mindeye2, or custom where single switches differ from these."""
    pixels: ResizeChain
    """Before PixCorr and SSIM."""
    before_networks: ResizeChain
    """Before a network's own side."""
    antialias_networks: bool
    """Whether pictures are filtered on the way to a network's side."""
    network_interpolation: str | None
    """To a network's side; None is the one that the network was trained with."""
    ssim_by_columns: bool = False

    def network_chain(self, side: int, interpolation: str) -> ResizeChain:
        """The whole way of a picture to a network of that side and own interpolation."""
        return ResizeChain(
            sides=(*self.before_networks.sides, side),
            antialias=self.antialias_networks,
            interpolation=self.network_interpolation or interpolation,
        )

    def describe(self) -> str:
        """For provenance: all that may move a number."""
        first = " then ".join([*map(str, self.before_networks.sides), "their own side"])
        filtered = "on" if self.antialias_networks else "off"
        kind = self.network_interpolation or "their own interpolation"
        return (
            f"{self.name}: pixels {self.pixels.describe()}; "
            f"networks {first}, {kind}, antialias {filtered}"
            f"{'; SSIM by columns' if self.ssim_by_columns else ''}"
        )


def protocol_of(quirks: Quirks) -> MetricProtocol:
    """The protocol of resolved quirks: the only place where the switches become sizes.

    Both published systems clamp to [0, 1], bring all pictures to 256 px, and from there to 425 for
    pixel metrics and to each network's side, always bilinear (MindEye1: Reconstruction_Metrics.py;
    MindEye2: final_evaluations.ipynb). Their torchvision (0.15, 0.16) did not antialias tensors.
    """
    antialias = not quirks.aliased_resizing
    through = quirks.resized_through_256
    return MetricProtocol(
        name=_name_of(quirks),
        pixels=replace(PUBLISHED, antialias=antialias) if through else NATIVE,
        before_networks=ResizeChain(sides=PUBLISHED.sides[:1], antialias=antialias)
        if through
        else NATIVE,
        antialias_networks=antialias,
        network_interpolation="bilinear" if through else None,
        ssim_by_columns=bool(quirks.ssim_by_columns),
    )


def protocol_named(name: str) -> MetricProtocol:
    """`native`, `mindeye1` or `mindeye2`.

    Raises:
        LookupError: another name.
    """
    if name not in PROTOCOLS:
        raise LookupError(f"Unknown protocol `{name}`. Choose one of {', '.join(PROTOCOLS)}.")
    return protocol_of(Quirks(compat="none" if name == "native" else name).resolved())


PROTOCOLS = ("native", *(name for name in SYSTEMS if name != "none"))


def _name_of(quirks: Quirks) -> str:
    on = {name for name in EVALUATION_QUIRKS if getattr(quirks, name)}
    alike = [name for name, one in SYSTEMS.items() if one.intersection(EVALUATION_QUIRKS) == on]
    if not alike:
        return "custom"
    name = quirks.compat if quirks.compat in alike else alike[0]
    return "native" if name == "none" else name


NATIVE_PROTOCOL = protocol_named("native")
