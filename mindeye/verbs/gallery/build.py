"""`mindeye gallery build`: a source becomes a gallery, or a further part of one."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from mindeye.disk import require_free_space
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.sources.building import Building, BuiltShard, begin
from mindeye.retrieval.gallery.sources.take_vectors import take_shard
from mindeye.verbs.device import require_device
from mindeye.verbs.gallery.build_request import BuildRequest
from mindeye.verbs.gallery.embed_pictures import embed_shard

Progress = Callable[[int, int], None]

Engine = Callable[
    [BuildRequest, Building, Sequence[int], Progress | None], Generator[BuiltShard, None, None]
]
"""Makes shards by their numbers, records each and gives it, in any order; is told megabytes."""


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What came of it."""

    lines: list[str]
    simulated: bool


def build_gallery(
    request: BuildRequest, progress: Progress | None = None, engine: Engine | None = None
) -> BuildResult:
    """Builds, adds, or goes on where a build stopped.

    Args:
        engine: None makes one shard after another in this process.

    Raises:
        ValueError: the gallery holds something else, a shard cannot be used, or too many pictures
            are not decodable.
        LookupError: a filter needs a column that is not there.
        OSError: the disk is too full.
    """
    require_device(request.device)
    building = start(request)
    if not building.source.shards:
        return _result(request, None, [f"{request.out} has all of {request.source.root} already."])
    mine = [
        number
        for number in building.missing()
        if number % request.num_shards == request.shard_index
    ]
    require_free_space(request.out, bytes_needed(request, building), "the gallery")
    built = building.built()
    _require_few_skipped(building, built, request.max_skipped)
    making = (engine or one_after_another)(request, building, mine, progress)
    with contextlib.closing(making):
        for one in making:
            built.append(one)
            _require_few_skipped(building, built, request.max_skipped)
    missing = building.missing()
    if missing:
        return _result(request, None, [_unfinished(building, missing)])
    return _result(request, building.finish())


def one_after_another(
    request: BuildRequest, building: Building, numbers: Sequence[int], progress: Progress | None
) -> Generator[BuiltShard, None, None]:
    """The engine of one process."""
    sizes = [building.source.shards[number].num_bytes for number in numbers]
    done, total = 0, sum(sizes)
    for number, size in zip(numbers, sizes, strict=True):
        built = build_shard(request, building, number, _told(progress, done, total))
        building.record(number, built)
        yield built
        done += size
        if progress is not None:
            progress(megabytes(done), megabytes(total))


def start(request: BuildRequest) -> Building:
    """Opens or resumes the work; nothing is embedded yet.

    Raises:
        ValueError: see `begin`.
    """
    return begin(
        request.out,
        request.source,
        network=request.network,
        width=request.width,
        settings=request.settings,
    )


def build_shard(
    request: BuildRequest,
    building: Building,
    number: int,
    progress: Callable[[int], None] | None = None,
) -> BuiltShard:
    """One unit of work; `building.record` says that it is whole."""
    if request.source.has_pictures:
        return embed_shard(
            building, number, request.target, request.filters, request.embedding, progress
        )
    return take_shard(building, number, request.filters, request.taking, progress)


def bytes_needed(request: BuildRequest, building: Building) -> int:
    """What the gallery will roughly add to the disk; embeddings that lie elsewhere: nothing."""
    if not request.source.has_pictures:
        return building.source.num_bytes if request.taking.normalise else 0
    pictures = sum(len(shard.files) for shard in building.source.shards)
    per_picture = building.width * 2 + 500
    if request.embedding.tokens:
        num_tokens, width = request.target.token_shape
        per_picture += 2 * num_tokens * width
    return pictures * per_picture if request.source.form == "folder" else 0


def _told(progress: Progress | None, done: int, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda num_bytes: progress(megabytes(done + num_bytes), megabytes(total))


def megabytes(num_bytes: int) -> int:
    """For progress; what is begun counts."""
    return -(-num_bytes // 10**6)


def _require_few_skipped(building: Building, built: list[BuiltShard], max_skipped: float) -> None:
    skipped = sum(sum(one.skipped.values()) for one in built)
    seen = skipped + sum(one.shard.count for one in built)
    if skipped > max_skipped * seen:
        where = building.out / "skipped"
        raise ValueError(
            f"{skipped} of {seen} pictures of {building.source.root} cannot be used; {where} names "
            f"them with reasons. If that is as it should be, pass --max-skipped with more than "
            f"{skipped / seen:.3f}: it goes on from here."
        )


def _unfinished(building: Building, missing: list[int]) -> str:
    whole = len(building.source.shards) - len(missing)
    return (
        f"{whole} of {len(building.source.shards)} shards are whole. Once the others are, the "
        "gallery names them all; run the command without --shard-index to make what is missing."
    )


def _result(
    request: BuildRequest, gallery: Gallery | None, lines: list[str] | None = None
) -> BuildResult:
    if gallery is None:
        return BuildResult(lines=lines, simulated=False)
    return BuildResult(
        lines=[*_summary(gallery), f"gallery: {request.out}"],
        simulated=gallery.about["simulated"] is not None,
    )


def _summary(gallery: Gallery) -> Iterator[str]:
    source = gallery.about["sources"][-1]
    yield f"{source['form']} {source['root']}: {source['vectors']:,} vectors"
    for what in ("skipped", "dropped"):
        if any(source[what].values()):
            counts = ", ".join(f"{name} {count:,}" for name, count in source[what].items())
            yield f"{what}: {counts}"
    yield (
        f"{gallery.num_kept:,} of {gallery.num_rows:,} vectors of {gallery.network} can be found"
    )
