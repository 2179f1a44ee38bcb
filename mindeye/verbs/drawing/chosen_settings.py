"""With what is drawn: as the command line says, and for the rest as a system published it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindeye.reconstruction.settings import ReconstructionConfig, published_settings
from mindeye.run import RunFolder


def settings_for(
    run_path: Path, compat: str | None, given: Mapping[str, Any]
) -> ReconstructionConfig:
    """What is given, and for the rest what the system published that `compat` or the run names.

    Raises:
        FileNotFoundError: this is no run folder.
        LookupError: an unknown system.
        ValueError: a value out of its range.
    """
    system = RunFolder(path=run_path).quirks().compat if compat is None else compat
    return replace(published_settings(system), **given)
