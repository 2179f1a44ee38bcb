"""`mindeye scans check`: the checks of a saved scan alone; nothing is written."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import (
    CHECKS,
    FAILED,
    CheckResult,
    RefusedScanError,
    skipped,
)
from mindeye.data.scans.scan import check_scan, read_scan


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All checks of one scan, in their order."""

    files: tuple[str, ...]
    form: str | None
    """None where the scan was refused before it was read."""
    checks: tuple[CheckResult, ...]

    @property
    def failed(self) -> bool:
        return any(one.status == FAILED for one in self.checks)

    @property
    def lines(self) -> list[str]:
        """One line a check."""
        width = max(len(name) for name in CHECKS)
        return [f"{one.status:7}  {one.name:{width}}  {one.text}" for one in self.checks]

    @property
    def json(self) -> str:
        checks = [asdict(one) for one in self.checks]
        content = {"files": self.files, "form": self.form, "ok": not self.failed, "checks": checks}
        return json.dumps(content, indent=1, allow_nan=False)


def check_saved_scan(
    paths: Sequence[Path],
    *,
    run: Path | None = None,
    bundle: Path | None = None,
    subject: int | None = None,
    **of_scan: Any,
) -> Verdict:
    """Checks a scan for the model of a run, or for a bundle.

    Args:
        of_scan: as `read_scan` takes it.

    Raises:
        FileNotFoundError, LookupError, ValueError: no such run or bundle, or a scan that cannot be
            read at all; a scan that can be read but is not the model's is a failed check.
    """
    voxels = bundle_of_model(run, bundle, subject)
    files = tuple(str(path) for path in paths)
    try:
        scan = read_scan(paths, voxels, **of_scan)
    except RefusedScanError as error:
        found = {one.name: one for one in error.results}
        why = "Not made: the scan was refused before."
        checks = tuple(found.get(name) or skipped(name, why) for name in CHECKS)
        return Verdict(files=files, form=None, checks=checks)
    return Verdict(files=files, form=scan.form, checks=tuple(check_scan(scan, voxels)))


def bundle_of_model(
    run: Path | None, bundle: Path | None, subject: int | None = None
) -> VoxelBundle:
    """The voxels of a run's subject, or a bundle by itself.

    Raises:
        FileNotFoundError: no bundle there.
        LookupError: the run has several subjects, or not this one.
        ValueError: neither or both were given, or the bundle is damaged.
    """
    if (run is None) == (bundle is None):
        raise ValueError("Give either --run RUN or --bundle DIR: the model that the scan is for.")
    if run is None:
        return VoxelBundle.load(bundle)
    folders = {path.name: path for path in sorted((run / "bundle").glob("subj*"))}
    if not folders:
        raise FileNotFoundError(
            f"{run / 'bundle'} holds no voxel bundle. Is {run} a run of `mindeye train`?"
        )
    if subject is None and len(folders) > 1:
        raise LookupError(f"{run} has {', '.join(folders)}. Pick one with --subject.")
    name = next(iter(folders)) if subject is None else f"subj{subject:02d}"
    if name not in folders:
        raise LookupError(f"{run} has {', '.join(folders)}, not {name}. Pick one of them.")
    return VoxelBundle.load(folders[name])
