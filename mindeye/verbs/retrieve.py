"""`mindeye retrieve`: how well a run finds the seen image, and the scan of an image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mindeye.files import write_json
from mindeye.metrics.statistics import bootstrap_interval
from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_run
from mindeye.report.tables import write_rows_tsv
from mindeye.retrieval.accuracy import retrieval_per_image, retrieval_rows, top_images
from mindeye.types import Decoded, MetricRow
from mindeye.verbs.device import require_device


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Rows for tables, per-image values for paired comparisons, the images found for looking."""

    rows: list[MetricRow]
    per_image: dict[str, np.ndarray]
    image_ids: np.ndarray
    found_ids: np.ndarray
    about: dict
    """Run, weights, subject and banner."""


def retrieve_run(
    run_path: Path,
    *,
    subject: int | None = None,
    data: Path | None = None,
    pool_sizes: Sequence[int] | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Retrieval:
    """Retrieval among a run's test images; writes RUN/retrieval.json and .tsv."""
    require_device(device)
    run = open_run(run_path, subject=subject, data=data, device=device)
    decoded = decode(run.decoder, run.prepared.repeats("test"))
    result = retrieval_of("mindeye", decoded, run, pool_sizes, seed)
    save_retrieval(result, run.folder.path)
    return result


def retrieval_of(
    system: str,
    decoded: Decoded,
    run: OpenRun,
    pool_sizes: Sequence[int] | None,
    seed: int,
    centre: Float[Tensor, "tokens width"] | None = None,
) -> Retrieval:
    """Both directions of retrieval for what any system decoded of the test images.

    `centre` is subtracted from the images' tokens, for systems whose embeddings lack it.
    """
    tokens = run.targets.tokens(decoded.image_ids)
    images = embedding_of(tokens if centre is None else tokens - centre)
    sizes = pool_sizes or default_pools(len(images))
    if min(sizes) < 2 or max(sizes) > len(images):
        raise ValueError(
            f"Pools of {', '.join(str(size) for size in sizes)} are asked for, but there are "
            f"{len(images)} test images. Choose sizes from 2 to {len(images)}."
        )
    brain = decoded.embeddings.cpu()
    interval = partial(bootstrap_interval, rng=np.random.default_rng(seed))
    found = top_images(brain, images, min(5, len(images)))
    ids = decoded.image_ids.numpy()
    return Retrieval(
        rows=retrieval_rows(system, brain, images, sizes, interval),
        per_image=retrieval_per_image(brain, images, sizes),
        image_ids=ids,
        found_ids=ids[found.numpy()],
        about=run.about,
    )


def default_pools(num_images: int) -> tuple[int, ...]:
    """2, 10, 100, 300 (the published pool) as far as they go, and all test images."""
    return (*(size for size in (2, 10, 100, 300) if size < num_images), num_images)


def save_retrieval(result: Retrieval, folder: Path) -> None:
    """RUN/retrieval.json with provenance, and RUN/retrieval.tsv for scripts."""
    write_json(
        folder / "retrieval.json",
        {
            **result.about,
            "rows": [asdict(row) for row in result.rows],
            "image_ids": result.image_ids.tolist(),
            "found_ids": result.found_ids.tolist(),
        },
    )
    write_rows_tsv(folder / "retrieval.tsv", result.rows, simulated=result.about["simulated"])
