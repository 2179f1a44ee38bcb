"""With what each part of a training was computed: commit, versions, device."""

import hashlib
import logging
import subprocess
from pathlib import Path
from typing import Any

import torch

import mindeye
from mindeye.config import differences
from mindeye.run import versions
from mindeye.training.state import TrainingState

_LOG = logging.getLogger(__name__)


def code_version(package: Path = Path(mindeye.__file__).parent) -> dict[str, str]:
    """Commit of a checkout, with a hash of what was changed since; nothing of an installed package.

    The package's version stands among `versions`.
    """
    # An installed package may lie inside somebody's repository: only a tracked one counts.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(package, "diff", "HEAD", "--", ".") or b""
    about = {"commit": commit.decode().strip()}
    if changed:
        about["uncommitted_changes"] = hashlib.sha256(changed).hexdigest()[:12]
    return about


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True)
    except OSError:  # no git here
        return None
    return done.stdout if done.returncode == 0 else None


def begin_segment(state: TrainingState, first: int) -> None:
    """Writes into provenance with what the steps from `first` on are computed.

    A change is no reason to refuse: bits may differ from those of an uninterrupted training, and
    a warning says what changed.
    """
    run, device = state.run, state.accelerator.device
    provenance = run.provenance()
    segment = {
        "first_step": first,
        "code": code_version(),
        "versions": versions(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": state.accelerator.mixed_precision,
        "accepted_changes": len(provenance.get("accepted_changes", [])),
    }
    earlier = provenance.get("segments", [])
    # Steps that are computed again are this segment's.
    kept = [one for one in earlier if one["first_step"] < first]
    if earlier:
        changed = _changes(segment, earlier[-1])
        if changed:
            _LOG.warning(
                "From step %d on this training is computed with something else: %s. "
                "Its numbers may differ from those of an uninterrupted one.",
                first,
                "; ".join(changed),
            )
    if not kept or _changes(segment, kept[-1]):
        kept.append(segment)
    if kept != earlier:
        run.tell({"segments": kept})


def _changes(segment: dict[str, Any], earlier: dict[str, Any]) -> list[str]:
    # What an earlier version did not write down counts as unchanged.
    return differences(segment, {**segment, **earlier, "first_step": segment["first_step"]})
