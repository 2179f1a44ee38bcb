"""The newest checkpoint of a training and the one before: a file may be damaged later."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindeye.saved_state import load_state, save_state

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CheckpointPair:
    """Two files in a run folder; both whole at any moment, whatever is killed."""

    folder: Path

    @property
    def newest(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def before(self) -> Path:
        return self.folder / "checkpoint_before.safetensors"

    @property
    def _written(self) -> Path:
        """Whole, but not in its place yet."""
        return self.folder / "checkpoint_written.safetensors"

    @property
    def _earlier_format(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self, state: Mapping[str, Any]) -> None:
        """Keeps a state; the newest becomes the one before.

        Raises:
            UnwrittenError: the disk is full; both are as they were.
        """
        save_state(self._written, state)
        self._put_in_place()

    def load(self) -> dict[str, Any] | None:
        """The last good state, or None where there is no checkpoint; no code is run.

        A damaged newest one gives way to the one before, with a warning.

        Raises:
            ValueError: there are checkpoints, and none can be read.
        """
        self._put_in_place()
        damage = None
        for path in (self.newest, self.before):
            if not path.exists():
                continue
            try:
                state = load_state(path)
            except ValueError as error:
                _LOG.warning("%s", error)
                damage = error
                continue
            if damage:
                os.replace(path, self.newest)
                _LOG.warning("%s takes its place: training goes on from there.", path)
            return state
        if self._earlier_format.exists():
            damage = f"{self._earlier_format.name} is of an earlier version of mindeye."
        if damage:
            raise ValueError(
                f"{self.folder} has no checkpoint that can be read: {damage} "
                "Delete its checkpoints to train from the first step on."
            )
        return None

    def drop(self) -> None:
        """Deletes them."""
        for path in (self.newest, self.before, self._written):
            path.unlink(missing_ok=True)

    def _put_in_place(self) -> None:
        """What was written becomes the newest; goes on where a kill came between."""
        if not self._written.exists():
            return
        if self.newest.exists():
            os.replace(self.newest, self.before)
        os.replace(self._written, self.newest)
