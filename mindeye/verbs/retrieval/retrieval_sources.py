"""What the retrieval benchmark measures: trained runs, or embeddings of anybody's model."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mindeye.data.batches import PreparedSubject
from mindeye.files import sha256_of
from mindeye.models.architecture import read_architecture
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.quirks import Quirks
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.image_tokens import tokens_of
from mindeye.reconstruction.opening import open_run
from mindeye.reconstruction.run_networks import is_unnamed
from mindeye.reconstruction.run_scans import index_of
from mindeye.retrieval.embedding_file import EmbeddingFile, read_embedding_file
from mindeye.retrieval.embedding_pairs import EmbeddingPairs, ScanOrder, TrainingEmbeddings
from mindeye.run import RunFolder
from mindeye.verbs.retrieval.named_paths import given_to_runs, named_path
from mindeye.verbs.retrieval.retrieve import RETRIEVAL_QUIRKS, require_drawn
from mindeye.verbs.retrieval.scanner_runs import scan_order_of
from mindeye.verbs.switched_on import settings_concerning, switched_on

OURS = "mindeye"
BENCH = "bench"
"""Where in a run its own benchmark lies; the report of the run shows it."""
IN_FILES = ("exchanged_labels", "drawn_pools", "contiguous_pools")
"""Quirks that concern embeddings that are there already."""


@dataclass(frozen=True, kw_only=True)
class RetrievalSource:
    """Embeddings of one subject by one system."""

    system: str
    subject: int | None
    """None where a file does not say."""
    pairs: EmbeddingPairs
    scan_order: Callable[[], ScanOrder]
    """Read when it is needed; raises `ValueError` where it cannot be known."""
    quirks: tuple[str, ...]
    about: Mapping[str, Any]
    """Where they are from; `simulated` holds the contents of the banner."""

    @property
    def label(self) -> str:
        return self.system if self.subject is None else f"{self.system}, subject {self.subject}"


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """How sources are opened."""

    subject: int | None = None
    """Of runs: one of their subjects; None takes all."""
    data: tuple[Path, ...] = ()
    """Prepared folders that have moved, or of converted runs; each is known by the subject in its
    manifest."""
    clips: tuple[str, ...] = ()
    """Of converted runs, which do not name theirs: `[NAME=]FOLDER`, see `given_to_runs`."""
    protocol: str | None = None
    """Refuses runs of another one, and names that of files."""
    compat: str | None = None
    quirk_settings: tuple[str, ...] = ()
    device: str = "cpu"
    watch: Callable[[str], Callable[[int, int], None]] | None = None
    """Title -> what is told how many pictures the CLIP of a converted run has embedded."""


def retrieval_sources(
    runs: Sequence[str], files: Sequence[str], settings: SourceSettings
) -> Iterator[RetrievalSource]:
    """Opens them one after the other; each subject of each run is a source.

    Raises:
        ValueError: a subject stands twice in one system, a run of another protocol, or a quirk
            that changes nothing here.
        FileNotFoundError, LookupError: as `open_run` and `read_embedding_file` say.
    """
    seen: set[tuple[str, int | None]] = set()
    places = {PreparedSubject(one).subject: one for one in settings.data}
    named = [(name or OURS, path) for name, path in map(named_path, runs)]
    given_to = given_to_runs(named, settings.clips)
    wanted = [
        (name, path, subject)
        for name, path in named
        for subject in _subjects_of(path, given_to[name, path], places, settings.subject)
    ]
    for system, path, subject in wanted:
        _require_new(seen, system, subject, path)
    if settings.subject is None and not settings.clips:
        _require_used(places, {subject for _, _, subject in wanted})
    for system, path, subject in wanted:
        given, place = given_to[system, path], places.get(subject)
        if given != NONE_GIVEN and place is None:
            # Refused with the reason why it is not this subject's.
            place = next(iter(places.values()), None)
        yield _run_source(system, path, subject, place, given, settings)
    for name, path in map(named_path, files):
        source = _file_source(name or path.stem, path, settings)
        _require_new(seen, source.system, source.subject, path)
        yield source


def _require_used(places: Mapping[int, Path], subjects: Collection[int]) -> None:
    """Refuses scans that nothing would be measured of; those of converted runs are told apart
    where they are opened."""
    for subject in sorted(set(places) - set(subjects)):
        raise LookupError(
            f"{places[subject]} is of subject {subject}, whom no run here has learned. Leave "
            "it out of --data."
        )


def _run_source(
    system: str,
    path: Path,
    subject: int,
    data: Path | None,
    given: GivenNetworks,
    settings: SourceSettings,
) -> RetrievalSource:
    folder = RunFolder(path=path)
    on = switched_on(folder, settings.compat, settings.quirk_settings, RETRIEVAL_QUIRKS)
    require_drawn(on)
    chosen = {"subject": subject, "data": data, "device": settings.device}
    run = open_run(path, **chosen, given=given, needs_vae=False)
    if settings.protocol not in (None, run.about["protocol"]):
        raise ValueError(
            f"{path} was prepared by the protocol {run.about['protocol']}, not by "
            f"{settings.protocol}. Numbers of two protocols cannot be compared."
        )
    scans = run.prepared.repeats("test")
    decoded = decode(run.decoder, scans, averaged_outputs="averaged_outputs" in on)
    training_ids = run.prepared.image_ids_of("train")
    title = f"pictures of subject {subject}, {system}"
    tokens = tokens_of(run, progress=settings.watch and settings.watch(title))
    return RetrievalSource(
        system=system,
        subject=subject,
        pairs=EmbeddingPairs(
            image_ids=scans.image_ids.numpy(),
            brain=decoded.embeddings.cpu(),
            images=embedding_of(tokens(scans.image_ids)),
            training=TrainingEmbeddings(
                image_ids=training_ids,
                read=lambda rows: embedding_of(tokens(torch.from_numpy(training_ids[rows]))),
            ),
        ),
        scan_order=partial(scan_order_of, run.prepared),
        quirks=on,
        about=run.about,
    )


def _file_source(system: str, path: Path, settings: SourceSettings) -> RetrievalSource:
    on = settings_concerning(Quirks(), settings.compat, settings.quirk_settings, IN_FILES)
    require_drawn(on)
    found = read_embedding_file(path)
    digest = sha256_of(path)
    return RetrievalSource(
        system=system,
        subject=found.subject,
        pairs=found.pairs,
        scan_order=partial(_scan_order_in, path, found),
        quirks=on,
        about={
            "embeddings": str(path.resolve()),
            "sha256": digest,
            "subject": found.subject,
            "protocol": settings.protocol,
            "simulated": {"simulated": True, "said by": path.name} if found.simulated else None,
        },
    )


def _scan_order_in(path: Path, found: EmbeddingFile) -> ScanOrder:
    if found.scan is None:
        raise ValueError(
            f"{path} does not say in which run of the scanner its rows were scanned. Save them in "
            "the order of the scan, with an array `runs`, or use --null labels."
        )
    return found.scan


def _subjects_of(
    path: Path, given: GivenNetworks, places: Mapping[int, Path], subject: int | None
) -> list[int]:
    """Of a run; a converted one is measured on the subjects whose scans are given."""
    if given != NONE_GIVEN:
        known = read_architecture(path / ARCHITECTURE_FILE).num_voxels_of
        # Where none fits, opening the first says why.
        return [subject] if subject is not None else sorted(known.keys() & places) or [min(known)]
    provenance = RunFolder(path=path).provenance()
    if subject is not None or is_unnamed(provenance):
        return [provenance["data"][index_of(path, provenance, subject)]["subject"]]
    return [one["subject"] for one in provenance["data"]]


def _require_new(
    seen: set[tuple[str, int | None]], system: str, subject: int | None, path: Path
) -> None:
    if (system, subject) in seen:
        who = "embeddings of no known subject" if subject is None else f"subject {subject}"
        raise ValueError(
            f"{path} is the second with {who} under the name `{system}`. Name the systems, as in "
            "`ours=PATH other=PATH`; files tell subjects apart by their array `subject`."
        )
    seen.add((system, subject))
