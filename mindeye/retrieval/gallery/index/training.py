"""What an index learns before vectors are added: once for a build, also of several processes."""

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from mindeye.files import atomic_path, one_at_a_time, read_json, write_json
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.index import folder as folders
from mindeye.retrieval.gallery.index.blocks import open_shard, require_unit
from mindeye.retrieval.gallery.index.coarse import faster_precision
from mindeye.retrieval.gallery.index.inverted_file import InvertedFile, opened, trained
from mindeye.retrieval.gallery.stored_rows import float32_of

if TYPE_CHECKING:
    from mindeye.retrieval.gallery.index.build import IndexPlan

SETTINGS = "settings.json"


def trained_once(
    gallery: Gallery, plan: "IndexPlan", progress: Callable[[str, int, int], None]
) -> tuple[InvertedFile, dict[str, Any]]:
    """The cells of a build, trained if they are not there yet, and its settings with precision."""
    cells, known = plan.folder / folders.CELLS, plan.folder / SETTINGS
    with one_at_a_time(plan.folder):
        if not known.exists():
            # Measured once: what is encoded later must be encoded the same way.
            settings = {"precision": faster_precision(gallery.width), **plan.settings}
            write_json(known, settings)
        settings = read_json(known)
        if not cells.exists():
            with atomic_path(cells) as temporary:
                if plan.grown is not None:
                    shutil.copyfile(folders.require_current(gallery) / folders.CELLS, temporary)
                else:
                    sample = sample_of(gallery, plan.choice.sample, seed=settings["seed"])
                    trained(
                        plan.choice,
                        sample,
                        seed=settings["seed"],
                        precision=settings["precision"],
                        progress=lambda done, total: progress("training", done, total),
                    ).save(temporary)
    return opened(cells), settings


def sample_of(gallery: Gallery, count: int, *, seed: int) -> Float32[np.ndarray, "vectors width"]:
    """Vectors drawn without replacement, from each shard its share, in ascending rows."""
    sample = np.empty((count, gallery.width), dtype=np.float32)
    before, start = 0, 0
    for number, shard in enumerate(gallery.shards):
        before += shard.num_kept
        end = round(count * before / gallery.num_kept)
        draw = np.random.default_rng([seed, 0, number])
        kept = gallery.kept_rows(shard)
        chosen = np.sort(draw.choice(len(kept), end - start, replace=False)) if len(kept) else []
        if len(chosen):
            rows = kept[chosen]
            sample[start:end] = float32_of(open_shard(gallery, shard)[rows])
            require_unit(sample[start:end], shard, rows)
        start = end
    return sample
