"""What `mindeye evaluate` wrote of one system, and which of several can be compared."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mindeye.verbs.saved_results import read_scores

AGAIN = "Run `mindeye evaluate` again."


@dataclass(frozen=True, kw_only=True)
class EvaluatedSystem:
    """Per-image scores of one system with all that they depend on."""

    name: str
    path: Path
    """Its evaluation.json."""
    content: Mapping[str, Any]
    image_ids: Int[np.ndarray, "images"]
    """Ascending."""
    per_image: dict[str, Float[np.ndarray, "images"]]

    @property
    def better(self) -> dict[str, str]:
        """Metric -> `higher` or `lower`."""
        return {row["metric"]: row["better"] for row in self.content["rows"]}

    @property
    def chance(self) -> dict[str, float | None]:
        """Metric -> what guessing gives."""
        return {row["metric"]: row["chance"] for row in self.content["rows"]}

    def values_of(self, image_ids: Int[np.ndarray, "chosen"]) -> dict[str, np.ndarray]:
        """Metric -> values of some of its images."""
        rows = np.searchsorted(self.image_ids, image_ids)
        return {metric: values[rows] for metric, values in self.per_image.items()}


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What is compared although it differs, because the user asks for it."""

    across_subjects: bool = False
    simulated_with_real: bool = False


def read_evaluated(given: Sequence[str]) -> list[EvaluatedSystem]:
    """Evaluations by their folders or evaluation.json, each perhaps as NAME=PATH.

    Names are else those of the systems, or of the folders where several are called the same.

    Raises:
        FileNotFoundError: no evaluation there.
        ValueError: fewer than two, one twice, two of one name, or files that do not fit.
    """
    named = [_name_and_path(one) for one in given]
    paths = [path.resolve() for _, path in named]
    if len(paths) < 2:
        raise ValueError(f"{len(paths)} evaluation was given. A comparison needs two or more.")
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"{twice} was given twice. Compare different evaluations.")
    scores = [read_scores(path, AGAIN) for _, path in named]
    for one in scores:
        _require_recorded(one.path, one.content)
    names = _names([name for name, _ in named], [one.content["system"] for one in scores], paths)
    return [_system(name, one.path, one.content) for name, one in zip(names, scores, strict=True)]


def require_comparable(systems: Sequence[EvaluatedSystem], allowed: Allowed) -> None:
    """Refuses systems whose numbers differ by more than the systems.

    Raises:
        ValueError: names both sides of what differs.
    """
    for other in systems[1:]:
        first = systems[0]
        both = (first, other)
        _require_equal(both, [_protocol(one.content) for one in both], "metric protocols")
        shared = first.content["judges"].keys() & other.content["judges"].keys()
        for network in sorted(shared):
            weights = [one.content["judges"][network] for one in both]
            _require_equal(both, weights, f"weights of the judging network {network}")
        simulated = [_data(one.content) for one in both]
        if not allowed.simulated_with_real:
            _require_equal(both, simulated, "data", "--simulated-with-real")
        if not allowed.across_subjects:
            subjects = [_subject(one.content) for one in both]
            _require_equal(both, subjects, "subjects", "--across-subjects")


def common_images(systems: Sequence[EvaluatedSystem]) -> Int[np.ndarray, "images"]:
    """Ascending ids of the images that all systems were evaluated on.

    Raises:
        ValueError: fewer than two, with the counts.
    """
    common = systems[0].image_ids
    for system in systems[1:]:
        common = np.intersect1d(common, system.image_ids)
    if len(common) < 2:
        counts = ", ".join(f"{one.name} {len(one.image_ids)}" for one in systems)
        raise ValueError(
            f"{len(common)} images are common to all systems ({counts}). "
            "Evaluate them on the same test images."
        )
    return common


def common_metrics(systems: Sequence[EvaluatedSystem]) -> list[str]:
    """Those that all systems have, in the order of the first."""
    return [name for name in systems[0].per_image if all(name in one.per_image for one in systems)]


def _name_and_path(given: str) -> tuple[str | None, Path]:
    name, equals, path = given.partition("=")
    if not equals or Path(given).exists():
        name, path = None, given
    elif not name:
        raise ValueError(f"{given} names no system. Write NAME=FOLDER, or FOLDER alone.")
    place = Path(path)
    place = place / "evaluation.json" if place.is_dir() else place
    if not place.is_file():
        raise FileNotFoundError(
            f"{place} is missing. Give a folder that `mindeye evaluate` has written into."
        )
    return name, place


def _require_recorded(path: Path, content: Mapping[str, Any]) -> None:
    absent = [key for key in ("metric_protocol", "judges", "system") if key not in content]
    if absent:
        raise ValueError(
            f"{path} does not tell {', '.join(absent)}, without which its numbers cannot be "
            f"compared. {AGAIN}"
        )


def _names(given: Sequence[str | None], systems: Sequence[str], paths: Sequence[Path]) -> list[str]:
    names = list(systems)
    if len(set(names)) < len(names):
        names = [path.parent.name for path in paths]
    names = [name if one is None else one for one, name in zip(given, names, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Several evaluations are called `{twice}`. Name them: `mindeye compare strong=A "
            "weak=B`."
        )
    return names


def _system(name: str, path: Path, content: Mapping[str, Any]) -> EvaluatedSystem:
    table = path.with_name("per_image.tsv")
    if not table.is_file():
        raise FileNotFoundError(f"{table} is missing, which belongs to {path}. {AGAIN}")
    values: dict[str, dict[int, float]] = {}
    text = table.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        raise ValueError(f"{table} ends within a line: it was cut off. {AGAIN}")
    lines = [line for line in text.splitlines() if line[:1] != "#"]
    try:
        for record in csv.DictReader(lines, delimiter="\t"):
            if record["system"] == content["system"]:
                of_image = values.setdefault(record["metric"], {})
                of_image[int(record["image_id"])] = float(record["value"])
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{table} has lines of another form ({error}). {AGAIN}") from error
    images = {tuple(sorted(of_image)) for of_image in values.values()}
    if len(images) != 1:
        raise ValueError(f"{table} has no values of `{content['system']}` for every image. {AGAIN}")
    ids = images.pop()
    return EvaluatedSystem(
        name=name,
        path=path,
        content=content,
        image_ids=np.array(ids, dtype=np.int64),
        per_image={
            metric: np.array([of_image[one] for one in ids]) for metric, of_image in values.items()
        },
    )


def _require_equal(
    both: Sequence[EvaluatedSystem], found: Sequence[str], what: str, option: str | None = None
) -> None:
    if found[0] == found[1]:
        return
    way_out = "" if option is None else f", or pass {option} if that is what you want"
    raise ValueError(
        f"{both[0].name} and {both[1].name} have different {what}: {found[0]}, and {found[1]}. "
        f"Evaluate both alike{way_out}."
    )


def _protocol(content: Mapping[str, Any]) -> str:
    """Without its name: MindEye1 and MindEye2 resize alike."""
    return content["metric_protocol"].partition(": ")[2]


def _data(content: Mapping[str, Any]) -> str:
    return "not simulated" if content["simulated"] is None else "simulated"


def _subject(content: Mapping[str, Any]) -> str:
    """Simulated subjects of one number are other people where preset or seed differ."""
    person = "unknown subject" if content["subject"] is None else f"subject {content['subject']}"
    made = content["simulated"]
    if made is None:
        return person
    return f"{person} of the simulation `{made.get('preset')}` with seed {made.get('seed')}"
