"""What a run folder tells of where its weights come from."""

from collections.abc import Sequence
from typing import Any

from mindeye.config import to_mapping
from mindeye.data.batches import PreparedSubject
from mindeye.files import write_json
from mindeye.run import RunFolder
from mindeye.targets.published_teachers import teacher_folder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.kept_subjects import data_of_kept
from mindeye.training.networks import FrozenNetworks
from mindeye.training.starting import origin_of, start_hash


def provenance_of(
    config: ExperimentConfig, prepared: Sequence[PreparedSubject], networks: FrozenNetworks
) -> dict[str, Any]:
    """What provenance.json tells of a training, but for versions.

    Subjects that are kept stand behind those that are trained, with what they were trained on.
    """
    kept = data_of_kept(config, [one.subject for one in prepared])
    return {
        # Where things lay; what they were stands in `data` and `networks`. None: the offline ones.
        "paths": {
            "data": [*(str(one.path.resolve()) for one in prepared), *(path for path, _ in kept)],
            **{
                name: None if path is None else str(path.resolve())
                for name, path in (
                    ("clip", config.clip),
                    ("vae", config.vae),
                    ("teacher", config.teacher and teacher_folder(config.teacher)),
                    ("start_from", config.start_from),
                )
            },
        },
        "networks": networks.identities,
        "start": start_hash(config.start_from) if config.start_from else None,
        **({"started_from": origin_of(config.start_from)} if config.start_from else {}),
        "quirks": to_mapping(config.quirks.resolved()),
        "clip_tokens": config.clip_tokens,
        "seed": config.seed,
        "data": [*(one.manifest for one in prepared), *(manifest for _, manifest in kept)],
        "simulated": next(filter(None, (one.manifest["simulated"] for one in prepared)), None),
    }


def note_processes(run: RunFolder, step: int, num_processes: int) -> None:
    """Notes from which step on so many processes trained; steps before the first note had one."""
    about = run.provenance()
    noted = about.get("processes", [])
    if num_processes == (noted[-1]["processes"] if noted else 1):
        return
    noted = [*noted, {"from_step": step, "processes": num_processes}]
    write_json(run.path / "provenance.json", {**about, "processes": noted})
