"""`mindeye retrieve`: how well a run finds the seen image, and the scan of an image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mindeye.files import write_json
from mindeye.metrics.statistics import bootstrap_interval
from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.image_tokens import tokens_of
from mindeye.reconstruction.opening import OpenRun, open_run
from mindeye.report.tables import write_rows_tsv
from mindeye.retrieval.accuracy import retrieval_per_image, retrieval_rows, top_images
from mindeye.retrieval.pools import DrawnPools
from mindeye.run import RunFolder
from mindeye.types import Decoded, MetricRow
from mindeye.verbs.device import require_device
from mindeye.verbs.switched_on import switched_on

RETRIEVAL_QUIRKS = ("averaged_outputs", "exchanged_labels", "drawn_pools", "contiguous_pools")
"""The switches of `Quirks` that change retrieval of a trained run."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Rows for tables, per-image values for paired comparisons, the images found for looking."""

    rows: list[MetricRow]
    per_image: dict[str, np.ndarray]
    image_ids: np.ndarray
    found_ids: np.ndarray
    about: dict
    """Run, weights, subject, banner and quirks."""


def retrieve_run(
    run_path: Path,
    *,
    subject: int | None = None,
    data: Path | None = None,
    pool_sizes: Sequence[int] | None = None,
    seed: int = 0,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    given: GivenNetworks = NONE_GIVEN,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Retrieval:
    """Retrieval among a run's test images; writes RUN/retrieval.json and .tsv.

    Of data that only test the run, the files are named after their protocol and task.

    Args:
        seed: of the bootstrap, and of pools that are drawn.
        compat, quirk_settings: change the run's quirks, see `quirks_from`.
        given: the CLIP of a converted run, which does not name it.
        progress: told how many test pictures that CLIP has embedded.
    """
    require_device(device)
    on = switched_on(RunFolder(path=run_path), compat, quirk_settings, RETRIEVAL_QUIRKS)
    require_drawn(on)
    opening = {"subject": subject, "data": data, "device": device}
    run = open_run(run_path, **opening, given=given, needs_vae=False)
    scans = run.prepared.repeats("test")
    decoded = decode(run.decoder, scans, averaged_outputs="averaged_outputs" in on)
    result = retrieval_of("mindeye", decoded, run, pool_sizes, seed, quirks=on, progress=progress)
    save_retrieval(result, run.folder.path)
    return result


def require_drawn(on: Sequence[str]) -> None:
    """Refuses contiguous pools that are not drawn.

    Raises:
        ValueError: only one of the two quirks is on.
    """
    if "contiguous_pools" in on and "drawn_pools" not in on:
        raise ValueError(
            "Only drawn pools can be contiguous, but `drawn_pools` is off. "
            "Set both quirks on, or contiguous_pools=off."
        )


def retrieval_of(
    system: str,
    decoded: Decoded,
    run: OpenRun,
    pool_sizes: Sequence[int] | None,
    seed: int,
    centre: Float[Tensor, "tokens width"] | None = None,
    quirks: Sequence[str] = (),
    progress: Progress | None = None,
) -> Retrieval:
    """Both directions of retrieval for what any system decoded of the test images.

    Args:
        centre: is subtracted from the images' tokens, for systems whose embeddings lack it.
        quirks: those of `RETRIEVAL_QUIRKS` that are on.
        progress: see `tokens_of`.
    """
    total = len(decoded.image_ids)
    sizes = pool_sizes or default_pools(total)
    if min(sizes) < 2 or max(sizes) > total:
        raise ValueError(
            f"Pools of {', '.join(str(size) for size in sizes)} are asked for, but there are "
            f"{total} test images. Choose sizes from 2 to {total}."
        )
    tokens = tokens_of(run, decoded.image_ids.numpy(), progress)(decoded.image_ids)
    images = embedding_of(tokens if centre is None else tokens - centre)
    brain = decoded.embeddings.cpu()
    interval = partial(bootstrap_interval, rng=np.random.default_rng(seed))
    drawn = None
    if "drawn_pools" in quirks:
        drawn = DrawnPools(seed=seed, contiguous="contiguous_pools" in quirks)
    found = top_images(brain, images, min(5, len(images)))
    ids = decoded.image_ids.numpy()
    return Retrieval(
        rows=retrieval_rows(
            system,
            brain,
            images,
            sizes,
            interval,
            drawn=drawn,
            published_labels="exchanged_labels" in quirks,
        ),
        per_image=retrieval_per_image(brain, images, sizes, drawn=drawn),
        image_ids=ids,
        found_ids=ids[found.numpy()],
        about={**run.about, "quirks": list(quirks)},
    )


def default_pools(num_images: int) -> tuple[int, ...]:
    """2, 10, 100, 300 (the published pool) as far as they go, and all test images."""
    return (*(size for size in (2, 10, 100, 300) if size < num_images), num_images)


def name_of(about: Mapping[str, Any]) -> str:
    """`retrieval`; `retrieval-nsd-imagery-vision` of other data than the run's own test."""
    other = (about["protocol"], about.get("task")) if "trained_by" in about else ()
    return "-".join(part for part in ("retrieval", *other) if part)


def save_retrieval(result: Retrieval, folder: Path) -> None:
    """RUN/retrieval.json with provenance, and RUN/retrieval.tsv for scripts; see `name_of`."""
    name = name_of(result.about)
    write_json(
        folder / f"{name}.json",
        {
            **result.about,
            "rows": [asdict(row) for row in result.rows],
            "image_ids": result.image_ids.tolist(),
            "found_ids": result.found_ids.tolist(),
        },
    )
    write_rows_tsv(folder / f"{name}.tsv", result.rows, simulated=result.about["simulated"])
