"""What tells one simulated tree from another: its SIMULATED.json."""

import json
from dataclasses import asdict
from pathlib import Path

import mindeye
from mindeye import nsd_layout as nsd
from mindeye.files import read_json
from mindeye.simulate.presets import SimulationRequest

_NSD = "nsd"
NOTE = (
    "Made up by `mindeye simulate`: drawn pictures and a model of visual cortex, no human data. "
    "Numbers from it test the code and say nothing about brains."
)


def identity_of(request: SimulationRequest, data_layout: str | None = None) -> dict:
    """What SIMULATED.json says; through JSON, so that it equals what is read back.

    Args:
        data_layout: the data set's name; NSD's own trees do not say it.
    """
    identity = {
        "simulated": True,
        **({} if data_layout is None else {"layout": data_layout}),
        "preset": request.config.name,
        "seed": request.seed,
        "subject": request.subject,
        "parameters": asdict(request.config),
        "mindeye_version": mindeye.__version__,
        "note": NOTE,
    }
    return json.loads(json.dumps(identity))


def already_there(root: Path, identity: dict) -> bool:
    """Whether the same tree stands there.

    Raises:
        ValueError: something else stands there.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    marker = root / nsd.SIMULATED_FILE
    if not marker.is_file():
        raise ValueError(
            f"{root} exists and is not a simulated tree (no {nsd.SIMULATED_FILE}). "
            "Choose a folder that does not exist yet."
        )
    found = read_json(marker)
    compared = ("preset", "seed", "subject", "parameters", "experiments")
    same = _layout_of(found) == _layout_of(identity)
    if same and all(found.get(key) == identity.get(key) for key in compared):
        return True
    raise ValueError(
        f"{root} holds {_described(found)}, not {_described(identity)}"
        f"{_differences(found, identity)}. Choose another folder, or delete this one."
    )


def _described(identity: dict) -> str:
    preset, subject, seed = (identity.get(key) for key in ("preset", "subject", "seed"))
    in_layout = "" if _layout_of(identity) == _NSD else f" in the layout of {_layout_of(identity)}"
    more = "".join(f" and {name}" for name in identity.get("experiments", ()))
    return f"preset `{preset}`, subject {subject}, seed {seed}{in_layout}{more}"


def _layout_of(identity: dict) -> str:
    """NSD's own trees do not say it."""
    return identity.get("layout", _NSD)


def _differences(found: dict, wanted: dict) -> str:
    old, new = found.get("parameters", {}), wanted["parameters"]
    keys = [key for key in new if old.get(key) != new[key] and key != "name"]
    return "".join(f"; {key} {old.get(key)} instead of {new[key]}" for key in keys[:3])
