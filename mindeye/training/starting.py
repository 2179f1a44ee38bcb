"""Fine-tuning: the weights that a training starts from, and the parts that it trains."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mindeye.data.batches import PreparedSubject
from mindeye.data.origin import NSD, named_dataset, people_of
from mindeye.files import read_json, sha256_of
from mindeye.models.decoder import Decoder
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.kept_subjects import freeze, kept_subjects
from mindeye.training.networks import FrozenNetworks

RIDGES = ("ridge.layers.", "low_level_path.ridge.layers.")
# What either side may lack: other subjects, and weights that no output depends on.
DISPENSABLE = (*RIDGES, "backbone.idle.")


def start_hash(path: Path) -> str:
    """By what provenance knows the run that a training starts from.

    Raises:
        FileNotFoundError: no finished run there.
    """
    run = RunFolder(path=path)
    run.require_finished()
    return sha256_of(run.weights_path)


def origin_of(path: Path) -> dict[str, Any]:
    """What a run that was trained on must go on telling of the one that it started from."""
    about = RunFolder(path=path).provenance()
    told = ("converted", "compacted", "simulated", "quirks", "networks", "versions", "started_from")
    scans = [
        {**named_dataset(one), **{key: one[key] for key in ("subject", "roi", "sessions")}}
        for one in about.get("data", [])
    ]
    return {**{key: about[key] for key in told if key in about}, "data": scans}


def checked_start(
    decoder: Decoder,
    config: ExperimentConfig,
    networks: FrozenNetworks,
    prepared: Sequence[PreparedSubject],
) -> dict[str, Tensor]:
    """Freezes what is not trained, and gives what the decoder takes over; refuses misfits.

    Raises:
        LookupError: `parts` that the decoder does not have.
        ValueError: as `starting_weights`, or parts that stay as they are know other targets.
    """
    train_only(decoder, config.parts, kept_subjects(config, [one.subject for one in prepared]))
    if config.start_from is None:
        return {}
    if config.parts is not None:
        learns_latents = decoder.low_level is None or "low_level" in config.parts
        roles = ("clip",) if learns_latents else ("clip", "vae")
        _require_same_targets(config.start_from, networks, roles)
    keep = bool(config.quirks.resolved().kept_ridge_bias)
    strangers = _strangers(config.start_from, prepared)
    if strangers and config.keep_subjects:
        raise ValueError(
            f"{config.start_from} knows somebody else as subject {min(strangers)} than `data` "
            "does: one decoder cannot hold two people with one number. Leave keep_subjects out."
        )
    return starting_weights(decoder, config.start_from, strangers, keep_ridge_bias=keep)


def _strangers(path: Path, prepared: Sequence[PreparedSubject]) -> set[int]:
    """Subjects whose number means somebody of another data set in the run to start from.

    A published checkpoint does not name its data; its subjects are NSD's.
    """
    trained = RunFolder(path=path).provenance()["data"]
    people = {one["subject"]: people_of(one) for one in trained}
    return {
        one.subject for one in prepared if people.get(one.subject, NSD) != people_of(one.manifest)
    }


def starting_weights(
    decoder: Decoder,
    path: Path,
    strangers: Collection[int] = (),
    *,
    keep_ridge_bias: bool = False,
) -> dict[str, Tensor]:
    """What a decoder takes over from a run.

    Ridge layers of subjects that the run does not know are left out, weights that no output
    depends on, and parts that it does not have (a low-level head): they start fresh. What it has
    of other subjects and of parts that the decoder does not have is not taken over.

    Args:
        strangers: subjects of the decoder that are not those whom the run knows by these numbers:
            their ridge layers start fresh as well.
        keep_ridge_bias: whether a new subject gets the bias of the run's first subject, as when
            MindEye2 is fine-tuned.

    Raises:
        ValueError: the run's decoder has another architecture.
    """
    given = RunFolder(path=path).weights()
    of_strangers = tuple(f"{prefix}{one}." for prefix in RIDGES for one in strangers)
    first_subject = next(iter(read_json(path / ARCHITECTURE_FILE)["num_voxels_of"]))
    parts_given = {name.split(".")[0] for name in given}
    chosen: dict[str, Tensor] = {}
    for name, fresh in decoder.state_dict().items():
        found, is_ridge = given.get(name), name.startswith(RIDGES)
        if of_strangers and name.startswith(of_strangers):
            found = None
        if found is None and keep_ridge_bias and is_ridge and name.endswith(".bias"):
            prefix = next(one for one in RIDGES if name.startswith(one))
            found = given.get(f"{prefix}{first_subject}.bias")
        if found is None:
            if name.split(".")[0] in parts_given and not name.startswith(DISPENSABLE):
                raise ValueError(
                    f"{path} has no weight `{name}`: its decoder is of another architecture. "
                    "Give the decoder the configuration of that run, or leave start_from out."
                )
            continue
        if found.shape != fresh.shape:
            raise ValueError(
                f"`{name}` has shape {tuple(found.shape)} in {path}, but {tuple(fresh.shape)} "
                "here. Give the decoder the configuration of that run, and its subjects their ROI."
            )
        chosen[name] = found
    _require_no_more(decoder, given, path)
    return chosen


def _require_same_targets(path: Path, networks: FrozenNetworks, roles: Sequence[str]) -> None:
    """Refuses other frozen networks than those that the parts which stay have learned."""
    trained = RunFolder(path=path).provenance().get("networks")
    if trained is None:  # a published checkpoint does not name them
        return
    for role in roles:
        known, here = trained[role], networks.identities[role]
        if known != here:
            raise ValueError(
                f"{path} learned targets of {known}, but here are {here}: parts that are not "
                "trained would answer for other targets. Give the networks and quirks of that "
                "run, or train all parts."
            )


def _require_no_more(decoder: Decoder, given: Mapping[str, Tensor], path: Path) -> None:
    """Refuses a run with more weights in a part than the decoder has: they would be lost."""
    known = decoder.state_dict()
    parts = {name.split(".")[0] for name in known}
    for name in given:
        is_of_part = name.split(".")[0] in parts
        if name not in known and is_of_part and not name.startswith(DISPENSABLE):
            raise ValueError(
                f"{path} has a weight `{name}` that this decoder has not: it is of another "
                "architecture. Give the decoder the configuration of that run."
            )


def train_only(decoder: Decoder, parts: Sequence[str] | None, kept: Collection[int] = ()) -> None:
    """Freezes all parts but these, and the ridge layers of subjects that are only kept.

    Raises:
        LookupError: a part that this decoder does not have.
    """
    known = [name for name, _ in decoder.named_children()]
    for part in parts or ():
        if part not in known:
            raise LookupError(
                f"`parts` names `{part}`, but this decoder has {', '.join(known)}. "
                "Name those that shall be trained."
            )
    if parts is not None:
        for name, module in decoder.named_children():
            module.requires_grad_(name in parts)
    freeze(decoder, kept)


def training_mode(decoder: Decoder) -> None:
    """Dropout for the parts that are trained; the others as they decode."""
    for module in decoder.children():
        module.train(any(one.requires_grad for one in module.parameters()))
