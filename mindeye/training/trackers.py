"""Sends the log of a training to tensorboard, wandb or trackio, through accelerate's trackers."""

import importlib.util
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from accelerate.tracking import GeneralTracker, TensorBoardTracker, TrackioTracker, WandBTracker
from jaxtyping import UInt8

from mindeye.config import to_mapping
from mindeye.files import read_json, write_json
from mindeye.run import RunFolder
from mindeye.training.speed import Speed
from mindeye.training.state import TrainingState
from mindeye.training.watching import Watcher

_LOG = logging.getLogger(__name__)


def require_trackers(names: Sequence[str]) -> None:
    """Refuses trackers that are not installed.

    Raises:
        LookupError: names the extra that has it.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise LookupError(
                f"The tracker `{name}` is not installed. Install it with "
                f"`pip install 'mindeye[{name}]'`, or leave it out."
            )


class Trackers(Watcher):
    """Sends each line of the log, speeds and sample pictures; no step twice.

    A tracker that fails (no network, a full disk, a key that is refused) is named once in a
    warning and then left alone: the training goes on, and log.jsonl holds what it misses.

    Args:
        names: tensorboard, wandb, trackio.
        project: under which wandb and trackio file the run.
        warn: told of a tracker that failed.
    """

    def __init__(
        self,
        names: Sequence[str],
        project: str = "mindeye",
        warn: Callable[[str], None] = _LOG.warning,
    ) -> None:
        require_trackers(names)
        self.names = tuple(dict.fromkeys(names))
        self.project = project
        self.warn = warn
        self.working: dict[str, GeneralTracker] = {}
        self.sent_until = -1

    def begins(self, state: TrainingState, first: int) -> None:
        """Begins the trackers' runs, or goes on with those of this run folder."""
        log = state.run.read_log()
        # Steps behind the last checkpoint were sent before the kill, and come again.
        self.sent_until = log[-1]["step"] if log else -1
        settings = flattened(to_mapping(state.config))
        for name in self.names:
            self._try(name, lambda name=name: self._begin(name, state.run, settings, first))

    def logged(self, line: Mapping[str, float], speed: Speed) -> None:
        """Sends a line of the log."""
        values = {name: value for name, value in line.items() if name != "step"}
        values |= {f"speed/{name}": value for name, value in speed.line.items()}
        for name in self._waiting_for(line["step"]):
            self._try(name, lambda name=name: self.working[name].log(values, step=line["step"]))

    def show(self, title: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        """Sends a picture; accelerate knows no way for those of trackio."""
        # tensorboard takes stacks of pictures, wandb lists.
        forms = {"tensorboard": (picture[None], {"dataformats": "NHWC"}), "wandb": ([picture], {})}
        for name in self._waiting_for(step):
            if name in forms:
                values, options = forms[name]
                self._try(
                    name,
                    lambda name=name, values=values, options=options: self.working[name].log_images(
                        {title: values}, step=step, **options
                    ),
                )

    def ends(self) -> None:
        """Lets the trackers write what they still hold."""
        for name in tuple(self.working):
            self._try(name, self.working[name].finish)
        self.working.clear()

    def _begin(self, name: str, run: RunFolder, settings: Mapping[str, Any], first: int) -> None:
        folder = run.path / "trackers"
        is_new = not (folder / f"{name}.json").exists()
        if is_new:
            write_json(folder / f"{name}.json", {"id": secrets.token_hex(4)})
        identity = read_json(folder / f"{name}.json")["id"]
        title = run.path.resolve().name
        if name == "tensorboard":
            # TensorBoard forgets what it has of these steps.
            purged = {} if is_new else {"purge_step": first}
            tracker = TensorBoardTracker(name, folder, **purged)
        elif name == "wandb":
            named = {"name": title, "id": identity, "dir": str(folder)}
            tracker = WandBTracker(self.project, **named, resume="allow", config=dict(settings))
        else:
            named = {"name": f"{title}-{identity}", "embed": False}
            tracker = TrackioTracker(self.project, **named, resume="allow", config=dict(settings))
        tracker.start()
        self.working[name] = tracker
        if is_new and name == "tensorboard":
            tracker.store_init_configuration(dict(settings))

    def _waiting_for(self, step: int) -> list[str]:
        """Trackers that still work and do not have this step."""
        return [one for one in self.working if one == "tensorboard" or step > self.sent_until]

    def _try(self, name: str, work: Callable[[], None]) -> None:
        """Does it, or gives the tracker up with one warning."""
        try:
            work()
        # Any error: each tracker has its own kinds, which the library would have to import to
        # name, and none is worth the training.
        except Exception as error:
            self.working.pop(name, None)
            self.warn(
                f"The tracker `{name}` failed ({type(error).__name__}: {first_line(error)}) and is "
                "left alone from here on. The training goes on; log.jsonl holds all that it misses."
            )


def first_line(error: Exception) -> str:
    """What an error says, short."""
    return (str(error).splitlines() or [""])[0]


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Nested settings -> `schedule.batch: 32`; what is no number stands as text."""
    flat: dict[str, str | int | float | bool] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            is_plain = isinstance(value, bool | int | float)
            flat[f"{prefix}{name}"] = value if is_plain else str(value)
    return flat
