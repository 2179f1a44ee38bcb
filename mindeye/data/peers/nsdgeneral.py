"""What all published files of peers have in common: NSD's nsdgeneral, and no coordinates."""

from collections.abc import Mapping
from pathlib import Path

import mindeye
from mindeye import nsd_layout as layout
from mindeye.data.bundle import VoxelBundle
from mindeye.data.unknown_voxels import bundle_of_unknown_voxels
from mindeye.files import read_json

UNKNOWN = "unknown"


def settings_of_peer(folder: Path, subject: int, **settings) -> dict:
    """What the manifest says besides: a toy that was made up carries NSD's SIMULATED.json too."""
    marker = folder / layout.SIMULATED_FILE
    return {
        "subject": subject,
        "space": layout.SPACE,
        "roi": "nsdgeneral",
        "zscore": UNKNOWN,
        **settings,
        "simulated": read_json(marker) if marker.exists() else None,
    }


def require_voxels(num_voxels: int, subject: int, where: str) -> None:
    """Refuses betas that are not those of NSD's nsdgeneral.

    Raises:
        ValueError: names whose voxels they may be.
    """
    expected = layout.NSDGENERAL_VOXELS[subject]
    if num_voxels != expected:
        others = [one for one, count in layout.NSDGENERAL_VOXELS.items() if count == num_voxels]
        guess = f"Those of subject {others[0]}?" if others else "Is it another ROI?"
        raise ValueError(
            f"{where}: {num_voxels} voxels, but nsdgeneral of subject {subject} has {expected}. "
            f"{guess}"
        )


def unknown_voxels(settings: Mapping) -> VoxelBundle:
    """Says how many voxels there are, and plainly that coordinates and statistics are unknown."""
    return bundle_of_unknown_voxels(
        layout.NSDGENERAL_VOXELS[settings["subject"]],
        **{name: settings[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
        provenance={
            "mask": f"{settings['dataset']} was published without coordinates, means and standard "
            "deviations. There are as many voxels as in NSD's nsdgeneral, so they are probably "
            "those, in C order of the (x, y, z) mask.",
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    )
