"""One run = one folder: weights, config.yaml, provenance.json, log.jsonl, checkpoint."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mindeye import __version__
from mindeye.config import differences, dump_yaml, from_mapping, to_mapping
from mindeye.disk import naming_closed_places, naming_full_disks, unwritten
from mindeye.files import atomic_path, holds_something, read_json, write_json
from mindeye.quirks import Quirks

# Keys of a configuration that say where something lies, not what it is.
PLACES = ("data", "clip", "vae", "teacher", "start_from")
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
    def is_finished(self) -> bool:
        """Whether training reached its last step."""
        return self.weights_path.exists()

    def begin(self, config: Any, provenance: Mapping[str, Any]) -> None:
        """Writes config and provenance, or checks that this folder holds the same ones.

        Raises:
            ValueError: the folder belongs to another configuration or other data.
        """
        # Data and networks are known by their contents: folders may move, relative paths too.
        settings = {key: one for key, one in to_mapping(config).items() if key not in PLACES}
        contents = {key: provenance.get(key) for key in ("data", "networks", "start")}
        identity = {"config": settings, **contents}
        identity_path = self.path / "identity.json"
        if identity_path.exists():
            found = differences(identity, read_json(identity_path))
            if found:
                raise ValueError(
                    f"{self.path} holds a run with another configuration ({'; '.join(found[:3])}). "
                    "Choose another folder, or delete this one to start over."
                )
            return
        # A kill between the three writes below leaves a config: no reason to refuse.
        if holds_something(self.path) and not self.config_path.exists():
            raise ValueError(
                f"{self.path} is not empty and holds no run. Choose another folder for the run."
            )
        with naming_closed_places(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        dump_yaml(config, self.config_path)
        write_json(self.path / "provenance.json", {**provenance, "versions": versions()})
        write_json(identity_path, identity)

    def provenance(self) -> dict[str, Any]:
        """Contents of provenance.json.

        Raises:
            FileNotFoundError: this is no run folder.
        """
        path = self.path / "provenance.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.path} is not a run folder: it has no provenance.json. "
                "Make one with `mindeye train CONFIG --out RUN`."
            )
        return read_json(path)

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
            except json.JSONDecodeError:  # a line cut off by a kill
                continue
            by_step[record["step"]] = record
        return [by_step[step] for step in sorted(by_step)]

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keeps the last good state of a training; the old one stays until the new one is whole."""
        path = self.path / "checkpoint.pt"
        with atomic_path(path) as temporary:
            try:
                torch.save(dict(state), temporary)
            except RuntimeError as error:  # torch's own writer hides the system's error
                raise unwritten(path, error) from error

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last good state, or None; tensors and plain values only, no code.

        Raises:
            ValueError: the file is damaged.
        """
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            return torch.load(path, weights_only=True)
        except (RuntimeError, EOFError, UnpicklingError) as error:
            raise ValueError(
                f"{path} is damaged ({str(error).splitlines()[0]}). "
                "Delete that file to train from the first step on."
            ) from error

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """Writes the final weights and drops the checkpoint."""
        write_weights(self.weights_path, weights)
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

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
    with atomic_path(path) as temporary:
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
