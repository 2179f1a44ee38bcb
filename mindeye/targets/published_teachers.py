"""Teachers of maps by name: where they are published, under which terms, where they lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mindeye.targets.metric_networks.folder import VARIABLE


@dataclass(frozen=True, kw_only=True)
class PublishedTeacher:
    """A network whose maps the low-level network can learn."""

    hub: str
    """Repository of the Hugging Face hub."""
    terms: str
    megabytes: int
    """To download."""
    side: int
    """Of the pictures, in pixels: the one that gives 16 x 16 places."""
    map_width: int
    timm: str | None = None
    """timm's name of it; None: VICRegL's checkpoint, which is converted."""


PUBLISHED_TEACHERS: Mapping[str, PublishedTeacher] = MappingProxyType(
    {
        "vicregl-xl": PublishedTeacher(
            hub="pscotti/mindeyev2",
            terms="CC BY-NC 4.0 (facebookresearch/VICRegL)",
            megabytes=6600,
            side=512,
            map_width=512,
        ),
        "dinov2-base": PublishedTeacher(
            hub="timm/vit_base_patch14_reg4_dinov2.lvd142m",
            terms="Apache-2.0",
            megabytes=346,
            side=224,
            map_width=768,
            timm="vit_base_patch14_reg4_dinov2.lvd142m",
        ),
        "dinov2-small": PublishedTeacher(
            hub="timm/vit_small_patch14_reg4_dinov2.lvd142m",
            terms="Apache-2.0",
            megabytes=88,
            side=224,
            map_width=384,
            timm="vit_small_patch14_reg4_dinov2.lvd142m",
        ),
        "convnext-base": PublishedTeacher(
            hub="timm/convnext_base.fb_in22k",
            terms="Apache-2.0",
            megabytes=440,
            side=512,
            map_width=1024,
            timm="convnext_base.fb_in22k",
        ),
    }
)


def teacher_folder(source: str | Path) -> Path:
    """A folder as it is given, or that of a teacher's name in the folder of networks.

    Raises:
        FileNotFoundError: the named teacher is not there; says what to fetch, and how.
    """
    name, folder = str(source), Path(source)
    if folder.exists() or name not in PUBLISHED_TEACHERS:
        return folder
    networks = os.environ.get(VARIABLE)
    place = None if networks is None else Path(networks) / name
    if place is not None and place.is_dir():
        return place
    about = PUBLISHED_TEACHERS[name]
    looked = f"no folder of networks is named ({VARIABLE})" if place is None else f"no {place}"
    raise FileNotFoundError(
        f"The teacher {name} is absent: no folder {name} here, and {looked}. Fetch {about.hub} "
        f"({about.megabytes:,} MB, {about.terms}) with `python data_scripts/map_teachers.py {name} "
        f"--out {networks or 'NETWORKS'}`, and set {VARIABLE} to that folder."
    )
