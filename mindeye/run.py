"""One run = one folder: weights, config.yaml, provenance.json, log.jsonl, checkpoints."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mindeye import __version__
from mindeye.checkpoint_pair import CheckpointPair
from mindeye.config import dump_yaml, from_mapping
from mindeye.disk import naming_closed_places, naming_full_disks, unwritten
from mindeye.files import atomic_path, holds_something, read_json, sweep, write_json
from mindeye.quirks import Quirks
from mindeye.run_identity import are_acceptable, changes_of, identity_of

_PACKAGES = ("torch", "open_clip_torch", "diffusers", "webdataset", "accelerate", "numpy")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Paths of a run and the reading and writing of what lies there."""

    path: Path

    @property
    def weights_path(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def config_path(self) -> Path:
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> CheckpointPair:
        return CheckpointPair(folder=self.path)

    @property
    def is_finished(self) -> bool:
        """Whether training reached its last step."""
        return self.weights_path.exists()

    def begin(
        self, config: Any, provenance: Mapping[str, Any], *, accept_changes: bool = False
    ) -> None:
        """Writes config and provenance, or checks that this folder holds the same ones.

        Args:
            accept_changes: whether an unfinished run may go on with another learning rate or other
                weights of losses (`run_identity.CHANGEABLE`); provenance tells of it.

        Raises:
            ValueError: the folder belongs to another configuration or other data.
        """
        # Data and networks are known by their contents: folders may move, relative paths too.
        identity = identity_of(config, provenance)
        identity_path = self.path / "identity.json"
        if identity_path.exists():
            found = changes_of(config, provenance, read_json(identity_path))
            if not found:
                return
            self._require_acceptable(found, accept_changes)
            accepted = self.provenance().get("accepted_changes", [])
            if accepted[-1:] != [found]:  # a kill came before the identity was written
                self.tell({"accepted_changes": [*accepted, found]})
            dump_yaml(config, self.config_path)
            write_json(identity_path, identity)
            return
        # A kill between the three writes below leaves a config: no reason to refuse.
        if self.path.is_file():
            raise NotADirectoryError(
                f"{self.path} is a file, but a run is a folder. Choose another place for the run."
            )
        if holds_something(self.path) and not self.config_path.exists():
            raise ValueError(
                f"{self.path} is not empty and holds no run. Choose another folder for the run."
            )
        with naming_closed_places(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        dump_yaml(config, self.config_path)
        write_json(self.path / "provenance.json", {**provenance, "versions": versions()})
        write_json(identity_path, identity)

    def _require_acceptable(self, changes: list[str], accept_changes: bool) -> None:
        possible = not self.is_finished and are_acceptable(changes)
        if possible and accept_changes:
            return
        advice = "Choose another folder, or delete this one to start over."
        if possible:
            advice += " Add --accept-changes to go on from its last checkpoint."
        raise ValueError(
            f"{self.path} holds a run with another configuration ({'; '.join(changes[:3])}). "
            f"{advice}"
        )

    def tell(self, more: Mapping[str, Any]) -> None:
        """Adds to provenance.json."""
        write_json(self.path / "provenance.json", {**self.provenance(), **more})

    def provenance(self) -> dict[str, Any]:
        """Contents of provenance.json.

        Raises:
            FileNotFoundError: this is no run folder.
            ValueError: the file is damaged, or something else's.
        """
        path = self.path / "provenance.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.path} is not a run folder: it has no provenance.json. "
                "Make one with `mindeye train CONFIG --out RUN`."
            )
        content = read_json(path)
        if not isinstance(content, dict) or "data" not in content:
            raise ValueError(
                f"{path} does not tell which data were learned, as that of a run does. Is "
                f"{self.path} a folder of something else?"
            )
        return content

    def quirks(self) -> Quirks:
        """Where this run follows a published system; nowhere, where it does not say."""
        saved = self.provenance().get("quirks", {})
        return from_mapping(Quirks, saved, str(self.path / "provenance.json")).resolved()

    def require_finished(self) -> None:
        """Refuses a run whose training has not ended.

        Raises:
            FileNotFoundError: no weights.safetensors yet.
        """
        self.provenance()
        if not self.is_finished:
            raise FileNotFoundError(
                f"{self.path} has no weights.safetensors: its training has not ended. "
                "Run `mindeye train` with the same configuration again: it goes on where it was."
            )

    def append_log(self, record: Mapping[str, Any], name: str = "log.jsonl") -> None:
        """Appends one JSON line."""
        path = self.path / name
        # A kill may have cut the last line; a new one must not be glued to it.
        with naming_full_disks(path), path.open("ab+") as stream:
            cut = False
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                cut = stream.read(1) != b"\n"
            stream.write((("\n" if cut else "") + json.dumps(dict(record)) + "\n").encode())

    def read_log(self) -> list[dict[str, Any]]:
        """All log lines by step; of a step that was repeated after a kill, the last counts."""
        path = self.path / "log.jsonl"
        if not path.exists():
            return []
        by_step: dict[int, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
                by_step[record["step"]] = record
            except (json.JSONDecodeError, KeyError, TypeError):  # a line cut off by a kill
                continue
        return [by_step[step] for step in sorted(by_step)]

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """Writes the final weights and drops the checkpoints: nothing goes on from them."""
        write_weights(self.weights_path, weights)
        self.tidy()

    def tidy(self) -> None:
        """Drops what a finished run needs no more, also what a kill at the very end left."""
        self.checkpoints.drop()
        sweep(self.weights_path)

    def weights(self) -> dict[str, Tensor]:
        """The final weights.

        Raises:
            ValueError: the file is damaged.
        """
        self.require_finished()
        return read_weights(self.weights_path)


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file, whole or not at all."""
    tensors = {name: value.contiguous() for name, value in weights.items()}
    with atomic_path(path, durable=True) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise unwritten(path, error) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged ({error}). Train again or copy the file again."
        ) from error


def versions() -> dict[str, str]:
    """Versions of Python, mindeye and the packages whose numbers matter."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "mindeye": __version__, **found}
