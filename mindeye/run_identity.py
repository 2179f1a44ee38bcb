"""What makes two trainings the same run."""

from collections.abc import Mapping, Sequence
from typing import Any

from mindeye.config import differences, from_mapping, to_mapping

# Keys of a configuration that say where something lies, not what it is.
PLACES = ("data", "clip", "vae", "teacher", "start_from")
# Settings with which a training can go on from a checkpoint of others, when it is told to: they
# change neither the network nor what the optimizer holds.
CHANGEABLE = (
    *("schedule.learning_rate:", "schedule.warmup:", "schedule.save_every_s:"),
    "losses.",
)


def identity_of(config: Any, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, and the contents of data and networks: folders may move."""
    settings = {key: one for key, one in to_mapping(config).items() if key not in PLACES}
    contents = {key: provenance.get(key) for key in ("data", "networks", "start")}
    return {"config": settings, **contents}


def changes_of(config: Any, provenance: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
    """Where a run differs from the identity that a folder holds, with both values.

    A key that the folder does not have, because it was added since, had its default.
    """
    ours = to_mapping(config)
    settings = saved["config"]
    try:
        places = {key: ours[key] for key in PLACES if key in ours}
        completed = from_mapping(type(config), {**places, **settings}, "identity.json")
        settings = identity_of(completed, {})["config"]
    except (LookupError, ValueError):  # a key or a value that is no longer known: named as it is
        pass
    return differences(identity_of(config, provenance), {**saved, "config": settings})


def are_acceptable(changes: Sequence[str]) -> bool:
    """Whether a training could go on with them."""
    return all(one.startswith(tuple(f"config.{name}" for name in CHANGEABLE)) for one in changes)
