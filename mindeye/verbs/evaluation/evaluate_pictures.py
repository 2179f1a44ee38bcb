"""`mindeye evaluate RECON --images SHOWN`: anybody's pictures -> scores with a floor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.disk import require_free_space
from mindeye.files import holds_something, read_json, temporary_folder
from mindeye.metrics.protocols import EVALUATION_QUIRKS, MetricProtocol, protocol_of
from mindeye.quirks import Quirks, quirks_from
from mindeye.reconstruction.saved_pictures.checked import CheckedPictures
from mindeye.reconstruction.saved_pictures.on_disk import bytes_of, written_to
from mindeye.reconstruction.saved_pictures.opening import record_of
from mindeye.reconstruction.saved_pictures.pairing import (
    PicturePair,
    PicturesAsked,
    matched_pair,
)
from mindeye.reconstruction.scoring import (
    derangement,
    permuted_row,
    picture_scores,
    score_rows,
)
from mindeye.run import versions
from mindeye.targets.clip import load_clip
from mindeye.targets.metric_networks.folder import open_networks
from mindeye.targets.metric_networks.network import MetricNetwork, PairNetwork, own_clip
from mindeye.verbs.device import require_device
from mindeye.verbs.evaluation.brain_part import judge_of
from mindeye.verbs.evaluation.evaluate import PERMUTED, SHUFFLED, Evaluation, save_evaluation
from mindeye.verbs.evaluation.further_metrics import (
    Further,
    FurtherAsked,
    FurtherScores,
    opened_further,
    prepared_at,
    require_subject,
)
from mindeye.verbs.switched_on import settings_concerning

Judges = Mapping[str, MetricNetwork | PairNetwork]
Watch = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, kw_only=True)
class HowToScore:
    """Protocol and judging networks."""

    compat: str | None = None
    quirk_settings: Sequence[str] = ()
    networks: Path | None = None
    """The field's judging networks; None takes those that MINDEYE_NETWORKS names, or none."""
    clip: Path | None = None
    """A further CLIP in open_clip's local layout; None takes the offline one for simulated
    pictures, which are all that it knows, and none for others."""
    further: FurtherAsked = field(default_factory=FurtherAsked)
    seed: int = 0
    device: str = "cpu"


def evaluate_pictures(
    asked: PicturesAsked, out: Path, how: HowToScore, watch: Watch | None = None
) -> Evaluation:
    """Scores pictures against the shown ones; writes what `evaluate_folder` writes into `out`.

    Memory does not grow with the number of pictures, but for what networks say of them.

    Raises:
        FileNotFoundError: something is missing.
        FloatingPointError: NaN or infinity.
        LookupError: an unknown form, an unknown system or quirk, or images that were not shown.
        ValueError: see `matched_pair`; or `out` holds something else.
        OSError: the disk is too full.
    """
    require_device(how.device)
    quirks = settings_concerning(Quirks(), how.compat, how.quirk_settings, EVALUATION_QUIRKS)
    protocol = protocol_of(quirks_from(how.compat, how.quirk_settings, Quirks()).resolved())
    pair = matched_pair(asked)
    side = _common_side(pair, protocol)
    judges, absent = judges_of(pair, how)
    more = _further_of(pair, asked, how.further, judges)
    inputs = inputs_of(pair, asked)
    require_own_folder(out, asked, inputs)
    rng = np.random.default_rng(how.seed)
    system = pair.reconstructed.stored.about.get("system", asked.reconstructions.stem)
    steps = _Scoring(pair=pair, system=system, out=out, protocol=protocol, judges=judges, more=more)
    per_image, chance, found = steps.scores(side, rng, how.seed, watch)
    rows = [row for name, scores in per_image.items() for row in score_rows(name, scores, rng)]
    result = Evaluation(
        rows=[*rows, *chance, *found.rows],
        per_image=found.joined_to(per_image),
        image_ids=pair.image_ids,
        about={
            **_about(pair, system),
            "metrics": protocol.pixels.describe(),
            "metric_protocol": protocol.describe(),
            "quirks": list(quirks),
            "judges": {**{name: one.identity for name, one in judges.items()}, **found.judges},
            "seed": how.seed,
            "inputs": inputs,
            "notes": [*pair.notes, *_notes_of_scoring(pair, side), *absent, *found.notes],
            "versions": versions(),
            **found.about,
        },
    )
    save_evaluation(result, out)
    return result


def judges_of(pair: PicturePair, how: HowToScore) -> tuple[Judges, list[str]]:
    """The networks that look at pictures; and a line for each of the field's that is not there.

    Raises:
        FileNotFoundError: no such folder of networks, or of a CLIP.
        ValueError: damaged weights.
    """
    opened = open_networks(how.networks, how.device)
    judges = dict(opened.networks)
    if how.clip is not None or pair.simulated is not None:
        judges |= own_clip(load_clip(how.clip, how.device))
    # The field's networks have never seen drawn scenes: there, their absence is no loss.
    return judges, [] if pair.simulated is not None else list(opened.absent.values())


def inputs_of(pair: PicturePair, asked: PicturesAsked) -> dict[str, Any]:
    """Where both kinds of pictures lie, with what is needed to find one of them again."""
    found = {}
    for name, source in (("reconstructions", pair.reconstructed), ("images", pair.shown)):
        found[name] = {**record_of(source.stored), "values": source.value_range}
        if source.stored.image_ids is None:
            # In the order of the file: nothing else tells which picture is of which image.
            ids_of_rows = np.full(source.stored.count, -1)
            ids_of_rows[source.rows] = source.image_ids
            found[name]["image_ids"] = ids_of_rows.tolist()
    return found


def require_own_folder(out: Path, asked: PicturesAsked, inputs: Mapping[str, Any]) -> None:
    """Refuses a folder with other things in it, but for that of the reconstructions themselves.

    Raises:
        ValueError: says what is there.
    """
    kept = out / "evaluation.json"
    if kept.is_file():
        before = read_json(kept).get("inputs", {}).get("reconstructions", {}).get("sha256")
        if before != inputs["reconstructions"]["sha256"]:
            raise ValueError(
                f"{out} holds the evaluation of other pictures. Choose another folder with --out."
            )
        return
    if holds_something(out) and out.resolve() != asked.reconstructions.resolve():
        raise ValueError(
            f"{out} is not empty and holds no evaluation. Choose another folder with --out."
        )


def _common_side(pair: PicturePair, protocol: MetricProtocol) -> int | None:
    """To which side shown images are resized; None where a protocol does it, or nothing differs."""
    drawn, seen = pair.reconstructed.stored.size, pair.shown.stored.size
    if protocol.pixels.sides or drawn == seen:
        return None
    if drawn[0] != drawn[1] or seen[0] != seen[1]:
        raise ValueError(
            f"Reconstructions are {drawn[1]} x {drawn[0]} px and shown images {seen[1]} x "
            f"{seen[0]}, which are not both square: no resizing keeps their content. "
            "Bring both to one size."
        )
    return drawn[0]


@dataclass(frozen=True, kw_only=True)
class _Scoring:
    """What is scored by whom."""

    pair: PicturePair
    system: str
    out: Path
    protocol: MetricProtocol
    judges: Judges
    more: Further

    def scores(
        self, side: int | None, rng: np.random.Generator, seed: int, watch: Watch | None
    ) -> tuple[dict[str, dict[str, np.ndarray]], list, FurtherScores]:
        """Per-image values of the pictures and of the same dealt to other images, and chance."""
        protocol, judges = self.protocol, self.judges
        drawn, seen = self.pair.reconstructed, self.pair.shown
        needed = 2 * bytes_of(drawn) + bytes_of(seen, side)
        require_free_space(self.out.parent, needed, "The evaluation")
        with temporary_folder(self.out) as folder:
            ours = written_to(folder / "reconstructed", drawn, progress=_progress(watch, drawn))
            shown = written_to(folder / "shown", seen, side=side, progress=_progress(watch, seen))
            order = derangement(len(self.pair.image_ids), rng)
            dealt = written_to(folder / "dealt", drawn, order=order)
            pictures = {self.system: ours, SHUFFLED: dealt}
            per_image = {
                name: picture_scores(one, shown, judges, protocol) for name, one in pictures.items()
            }
            chance = []
            if "clip" in judges:
                chance.append(permuted_row(PERMUTED, ours, shown, judges["clip"], rng))
            found = self.more.scores(pictures, shown, judges, protocol, seed)
        return per_image, chance, found


def _further_of(
    pair: PicturePair, asked: PicturesAsked, further: FurtherAsked, judges: Judges
) -> Further:
    prepared = prepared_at(asked.data, asked.images)
    if further.brain and prepared is not None:
        require_subject(prepared, pair.subject)
        judge_of(judges)
    return opened_further(further, pair.image_ids, SHUFFLED, prepared, prepared)


def _progress(watch: Watch | None, source: CheckedPictures) -> Callable[[int], None] | None:
    if watch is None:
        return None
    said = watch(f"read {source.stored.path.name}")
    return lambda done: said(done, len(source.image_ids))


def _about(pair: PicturePair, system: str) -> dict[str, Any]:
    drawn = pair.reconstructed.stored.about
    return {
        "run": drawn.get("run"),
        "weights": drawn.get("weights"),
        "subject": pair.subject,
        "simulated": pair.simulated,
        "system": system,
        "protocol": pair.test_set.protocol,
        "test_set": pair.test_set._asdict(),
    }


def _notes_of_scoring(pair: PicturePair, side: int | None) -> list[str]:
    if side is None:
        return []
    before = pair.shown.stored.size[0]
    return [f"Shown images were resized from {before} to {side} px, antialiased."]
