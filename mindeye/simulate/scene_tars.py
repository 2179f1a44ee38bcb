"""Drawn scenes in webdataset tars, with their captions: pictures for a gallery of any size."""

import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

import mindeye
from mindeye.disk import require_free_space
from mindeye.files import atomic_path, holds_something, read_json, write_json
from mindeye.nsd_layout import SIMULATED_FILE
from mindeye.simulate.presets import Progress
from mindeye.simulate.scenes import caption_of, draw_scene, scene_of

FIRST_SCENE = 2_000_000_000
"""Image id of a gallery's first scene: far above those of every simulated subject, and of the
scenes that the offline networks learned, so that none of theirs is drawn whatever the seed."""
PLANTED = "planted.tar"
NOTE = (
    "Made up by `mindeye gallery scenes`: drawn pictures, no photograph. "
    "Numbers from it test the code and say nothing about brains."
)
# What a tar holds beside a PNG: two heads, and caption and picture filled up to 512 bytes each.
TAR_BYTES = 2_048


class NamedPicture(NamedTuple):
    """One sample of a tar."""

    key: str
    picture: UInt8[np.ndarray, "height width 3"]
    caption: str | None


@dataclass(frozen=True, kw_only=True)
class SceneTars:
    """Which scenes are drawn, and how they lie in tars."""

    num_scenes: int
    seed: int = 0
    side: int = 128
    """As `mindeye demo` draws what its subject sees."""
    scenes_per_tar: int = 5_000

    def __post_init__(self) -> None:
        if min(self.num_scenes, self.side, self.scenes_per_tar) < 1 or self.seed < 0:
            raise ValueError(
                f"{self.num_scenes} scenes of {self.side} pixels, {self.scenes_per_tar} a tar, "
                f"with seed {self.seed} cannot be drawn. Give 1 or more, and a seed from 0."
            )

    @property
    def tars(self) -> list[tuple[str, range]]:
        """Name of each tar, and which scenes lie in it."""
        starts = range(0, self.num_scenes, self.scenes_per_tar)
        ends = (min(start + self.scenes_per_tar, self.num_scenes) for start in starts)
        return [(f"{n:05d}.tar", range(*ends_of)) for n, ends_of in enumerate(zip(starts, ends))]

    @property
    def num_bytes(self) -> int:
        """On the disk, about: measured of PNGs, which take 0.48 bytes a pixel."""
        return self.num_scenes * (TAR_BYTES + self.side**2 // 2)


def write_scene_tars(
    out: Path,
    scenes: SceneTars,
    planted: Sequence[NamedPicture] = (),
    *,
    about_planted: dict | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Draws what is not there yet; a tar is whole or absent, and the same whoever draws it.

    Args:
        planted: further pictures, in a tar of their own.
        about_planted: where they come from, for SIMULATED.json.
        workers: processes that draw; default: one a core.

    Raises:
        ValueError: `out` holds something else.
        OSError: the disk is too full.
    """
    identity = {
        "simulated": True,
        "layout": "gallery scenes",
        **asdict(scenes),
        "first_scene": FIRST_SCENE,
        "planted": about_planted,
        "mindeye_version": mindeye.__version__,
        "note": NOTE,
    }
    _claim(out, json.loads(json.dumps(identity)), scenes.num_bytes)
    if planted and not (out / PLANTED).exists():
        write_picture_tar(out / PLANTED, planted)
    absent = [one for one in scenes.tars if not (out / one[0]).exists()]
    done = scenes.num_scenes - sum(len(rows) for _, rows in absent)
    if progress is not None:
        progress("scenes", done, scenes.num_scenes)
    with ProcessPoolExecutor(min(workers or os.cpu_count() or 1, len(absent) or 1)) as pool:
        jobs = [(out / name, scenes.seed, rows, scenes.side) for name, rows in absent]
        for (_, rows), _ in zip(absent, pool.map(_write_tar, jobs)):
            done += len(rows)
            if progress is not None:
                progress("scenes", done, scenes.num_scenes)


def write_picture_tar(path: Path, samples: Iterable[NamedPicture]) -> None:
    """Writes KEY.png and KEY.txt of each sample; equal samples give equal bytes."""
    with (
        atomic_path(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for key, picture, caption in samples:
            buffer = io.BytesIO()
            # Level 1 is twice as fast as the usual 6, and a tenth larger.
            Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
            _add(tar, f"{key}.png", buffer.getvalue())
            if caption is not None:
                _add(tar, f"{key}.txt", caption.encode())


def _claim(out: Path, identity: dict, num_bytes: int) -> None:
    marker = out / SIMULATED_FILE
    if marker.is_file():
        found = read_json(marker)
        other = sorted(
            name
            for name in {*found, *identity} - {"mindeye_version"}
            if found.get(name) != identity.get(name)
        )
        if other:
            told = "; ".join(
                f"{name}: {found.get(name)}, asked for {identity.get(name)}" for name in other
            )
            raise ValueError(
                f"{out} holds other scenes ({told[:300]}). Choose another folder, or delete this."
            )
        return
    if holds_something(out):
        raise ValueError(f"{out} is not empty and holds no scenes. Choose another folder.")
    require_free_space(out.parent, num_bytes, "The gallery's pictures")
    write_json(marker, identity)


def _write_tar(job: tuple[Path, int, range, int]) -> None:
    path, seed, rows, side = job
    write_picture_tar(path, _drawn(seed, rows, side))


def _drawn(seed: int, rows: range, side: int) -> Iterator[NamedPicture]:
    for row in rows:
        scene = scene_of(seed, FIRST_SCENE + row)
        yield NamedPicture(f"{row:09d}", draw_scene(scene, side), caption_of(scene))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
