"""What tells one simulated tree from another: its SIMULATED.json."""

from pathlib import Path

from mindeye import nsd_layout as nsd
from mindeye.files import read_json

_NSD = "nsd"


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
