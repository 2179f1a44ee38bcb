"""The CLIP and VAE of a run that does not name its own, as a user gives them; nothing slow here."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class GivenNetworks:
    """Local folders, in the layouts that a training takes."""

    clip: Path | None = None
    vae: Path | None = None


NONE_GIVEN = GivenNetworks()
