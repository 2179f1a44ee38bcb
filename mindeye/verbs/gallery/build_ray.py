"""`mindeye gallery build --engine ray`: shards as tasks of a Ray cluster, or on this machine.

Ray was chosen among Ray, Dask and Spark: a task may ask for a GPU, a worker keeps its CLIP between
tasks, a worker that dies takes one shard with it, and it comes by pip without a JVM.

Tasks share nothing but the file system: source and gallery must be at the same path everywhere,
and this software must be installed everywhere. Names and counts go through Ray, never pictures
or vectors. A shard is recorded by its task, so that a job that is killed goes on as any build.
"""

import os
import socket
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mindeye.retrieval.gallery.sources.building import Building, BuiltShard
from mindeye.verbs.device import require_device
from mindeye.verbs.gallery.build import (
    BuildResult,
    Progress,
    build_gallery,
    build_shard,
    megabytes,
    start,
)
from mindeye.verbs.gallery.build_request import BuildRequest, request_of

TRIES = 3
"""Of a shard whose worker died, for example because its memory ran out."""
# Ray's least is 75 MB; what goes through it here are names.
_STORE_BYTES = 80_000_000
_ANSWER_S = 10
_PLAIN = (str, int, float, Path, type(None))


@dataclass(frozen=True, kw_only=True)
class RayJob:
    """Where tasks run."""

    address: str | None = None
    """Of a cluster, such as `auto` on one of its machines; None: workers on this machine."""
    tasks: int = 2
    """Shards at once; each holds one block of pictures and one CLIP in memory."""

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise ValueError(f"--ray-tasks {self.tasks} builds nothing. Choose 1 or more.")

    @property
    def line(self) -> str:
        """For a plan, whose hours are those of one process."""
        where = f"the cluster at {self.address}" if self.address else "this machine"
        return f"Ray would build {self.tasks} shards at once on {where}"


def build_with_ray(
    given: Mapping[str, Any], job: RayJob, progress: Progress | None = None
) -> BuildResult:
    """Builds, adds or goes on, to the bytes of a build on one machine.

    Args:
        given: what `request_of` takes; `device` is where tasks compute.

    Raises:
        LookupError: the extra `ray` is not installed.
        ConnectionError: no cluster at the address.
        OSError: the workers of a shard died again and again.
        ValueError: see `build_gallery`; or no machine of the cluster has a GPU for `device`.
    """
    require_ray()
    plain = {name: one for name, one in given.items() if isinstance(one, _PLAIN)}
    absolute = {n: one.resolve() if isinstance(one, Path) else one for n, one in plain.items()}
    # Here nothing is embedded: a cluster's first machine has often no GPU.
    request = request_of({**absolute, "device": "cpu"})
    return build_gallery(request, progress, partial(_by_tasks, given=absolute, job=job))


def require_ray() -> None:
    """Refuses what needs the extra.

    Raises:
        LookupError: it is not installed.
    """
    if find_spec("ray") is None:
        raise LookupError(
            "--engine ray needs ray, which is not installed. Run `pip install 'mindeye[ray]'`, or "
            "divide the shards by --shard-index and --num-shards."
        )


def build_one(given: tuple[tuple[str, Any], ...], number: int, listing: str) -> BuiltShard:
    """A task: one shard, recorded when it is whole.

    Args:
        listing: of the shard where the tasks were given out.

    Raises:
        LookupError: no such device here.
        ValueError: another shard has this number here.
    """
    request, building = _begun(given)
    shards = building.source.shards
    if number >= len(shards) or shards[number].listing != listing:
        raise ValueError(
            f"{request.source.root} holds other files where a task ran than where the build was "
            "started. Is it the same folder on all machines, and does nobody write into it? Run "
            "the same command again."
        )
    built = build_shard(request, building, number)
    building.record(number, built)
    return built


@lru_cache(maxsize=1)
def _begun(given: tuple[tuple[str, Any], ...]) -> tuple[BuildRequest, Building]:
    """Of a worker, with the CLIP that it has loaded."""
    request = request_of(dict(given))
    require_device(request.device)
    return request, start(request)


def _by_tasks(
    request: BuildRequest,
    building: Building,
    numbers: Sequence[int],
    progress: Progress | None,
    *,
    given: Mapping[str, Any],
    job: RayJob,
) -> Generator[BuiltShard, None, None]:
    """The engine of `build_gallery`: at most `job.tasks` shards at once."""
    if not numbers:
        return
    import ray

    shards = building.source.shards
    waiting, number_of, deaths = list(reversed(numbers)), {}, dict.fromkeys(numbers, 0)
    done, total = 0, sum(shards[number].num_bytes for number in numbers)
    try:
        task, given = _connected(job, given)
        while waiting or number_of:
            while waiting and len(number_of) < job.tasks:
                number = waiting.pop()
                number_of[task.remote(given, number, shards[number].listing)] = number
            (ready, *_), _ = ray.wait(list(number_of), num_returns=1)
            number = number_of.pop(ready)
            built = _result_of(ready)
            if isinstance(built, ray.exceptions.RayError):
                deaths[number] += 1
                if deaths[number] == TRIES:
                    raise _given_up(shards[number].name, built) from built
                waiting.append(number)
                continue
            yield built
            done += shards[number].num_bytes
            if progress is not None:
                progress(megabytes(done), megabytes(total))
    finally:
        ray.shutdown()


def _connected(job: RayJob, given: Mapping[str, Any]) -> tuple[Any, tuple[tuple[str, Any], ...]]:
    """Ray's task, and what it is given.

    Raises:
        ConnectionError: no cluster at the address.
        ValueError: no GPU.
    """
    import ray

    where = {"address": job.address}
    if job.address is None:
        # Nothing is told to anybody outside; and at Ray's own niceness of 15, workers get next to
        # nothing of a machine on which others compute: no shard in five minutes, instead of one.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_worker_niceness", "0")
        where = {"address": "local", "num_cpus": job.tasks, "object_store_memory": _STORE_BYTES}
        where["include_dashboard"] = False
    try:
        _require_answer(job.address or "")
        ray.init(**where, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"No Ray cluster answers at {job.address or 'this machine'} ({_line(error)}). Start "
            "one with `ray start --head`, or leave --ray-address out to use this machine alone."
        ) from error
    device = given["device"].partition(":")[0]
    gpus = 1 if device == "cuda" else 0
    if gpus and not ray.cluster_resources().get("GPU"):
        raise ValueError(f"--device {given['device']}: no machine of the cluster has a GPU.")
    # A task sees the one GPU that Ray gave it, whatever its number is.
    given = tuple(sorted({**given, "device": "cuda" if gpus else given["device"]}.items()))
    # Deaths are counted here: Ray tries for ever what dies of too little memory.
    return ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(build_one), given


def _require_answer(address: str) -> None:
    """Ray itself asks a dead address for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()


def _result_of(ready: Any) -> BuiltShard | Exception:
    """Of a task that ended; what it raised is raised, what killed it is given."""
    import ray

    try:
        return ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        return error


def _given_up(name: str, error: Exception) -> OSError:
    return OSError(
        f"Shard {name} was given up after {TRIES} workers died with it ({_line(error)}). Is "
        "memory short? Choose fewer --ray-tasks or a smaller --batch-size, and run the command "
        "again: whole shards stay."
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
