"""Decoding while the scanner runs: betas arrive one trial at a time."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from mindeye.config import differences, to_mapping
from mindeye.data.zscore import MAX_INVALID_SHARE
from mindeye.files import load_arrays, save_arrays
from mindeye.reconstruction.decoder_run import DecoderRun
from mindeye.reconstruction.image_decoder import ImageDecoder
from mindeye.reconstruction.running_statistics import (
    RUNNING,
    WARM_UP,
    RunningStatistics,
    require_running,
    zscored_trial,
)
from mindeye.reconstruction.settings import ReconstructionConfig

STATISTICS = ("train", RUNNING)


@dataclass(frozen=True, kw_only=True)
class StreamedTrial:
    """What one trial gave."""

    trial: int
    """How many came before it; also what its noise is drawn by."""
    name: str
    statistics: str
    """What it was z-scored with: `train`, `running`, or `none` in a warm-up without picture."""
    zscored: Float32[np.ndarray, "voxels"]
    arrays: dict[str, np.ndarray]
    """See `DecodedImage`; empty where `statistics` is `none`."""
    seconds: dict[str, float]
    """Of `STAGES`."""


class StreamingDecoder:
    """Decodes each trial as it comes; `zscored_trial` says how it is z-scored.

    In the warm-up of running statistics, trials are z-scored by the training's where the run knows
    them, and give no picture where it does not: `StreamedTrial.statistics` tells of each trial.

    Source: running z-scores and the warm-up are as in MindEye-RT.
    """

    def __init__(
        self,
        run: DecoderRun,
        config: ReconstructionConfig,
        *,
        statistics: str = RUNNING,
        units: str = "psc",
        warm_up: int = WARM_UP,
    ) -> None:
        """Raises ValueError for statistics that one trial cannot have, or a warm-up below 2."""
        if statistics not in STATISTICS:
            raise ValueError(
                f"Statistics `{statistics}` need all trials at once. While trials arrive, choose "
                f"{' or '.join(STATISTICS)}."
            )
        if warm_up < 2:
            raise ValueError(
                f"A warm-up of {warm_up} trials gives no standard deviation. Choose 2 or more."
            )
        if statistics == RUNNING:
            require_running(run.bundle)
        self.run, self.statistics, self.units, self.warm_up = run, statistics, units, warm_up
        self.decoder = ImageDecoder(run, config)
        self.names: list[str] = []
        """Of the trials so far."""
        self.running = RunningStatistics.empty(run.bundle.num_voxels)
        self._identity = {
            "weights": run.about["weights"],
            "voxel_hash": run.bundle.voxel_hash,
            "settings": to_mapping(config),
            "statistics": statistics,
            "units": units,
            "warm_up": warm_up,
        }

    def add(self, betas: Float32[np.ndarray, "voxels"], name: str) -> StreamedTrial:
        """Decodes one trial.

        Raises:
            ValueError: another number of voxels, or more than 1 % of them are not finite; the
                state is as it was.
        """
        self._require_usable(betas, name)
        started = time.perf_counter()
        number = len(self.names)
        running = self.running.with_trial(betas)
        scored, by = zscored_trial(
            betas,
            number,
            running,
            self.run.bundle,
            statistics=self.statistics,
            units=self.units,
            warm_up=self.warm_up,
        )
        seconds = {"z-score": time.perf_counter() - started}
        arrays = {}
        if by != "none":
            decoded = self.decoder.decode(scored[None], number)
            arrays, seconds = decoded.arrays, seconds | decoded.seconds
        # Last: a trial that was interrupted has not been.
        self.running, self.names = running, [*self.names, name]
        return StreamedTrial(
            trial=number,
            name=name,
            statistics=by,
            zscored=scored,
            arrays=arrays,
            seconds=seconds,
        )

    def save(self, path: Path) -> None:
        """Writes all that the next trials depend on, whole or not at all."""
        about = json.dumps({"identity": self._identity, "names": self.names}).encode()
        save_arrays(path, {**self.running._asdict(), "about": np.frombuffer(about, dtype=np.uint8)})

    def restore(self, path: Path) -> None:
        """Goes on from what `save` wrote.

        Raises:
            ValueError: damaged, or the state of another run or of other settings.
        """
        arrays = load_arrays(path)
        about = json.loads(arrays["about"].tobytes())
        # Through JSON, as what is compared with was: it knows no tuples.
        found = differences(json.loads(json.dumps(self._identity)), about["identity"])
        if found:
            raise ValueError(
                f"{path} is of another stream ({'; '.join(found[:3])}). "
                "Give the settings that it began with, or another folder."
            )
        self.names = about["names"]
        self.running = RunningStatistics(
            **{name: arrays[name] for name in RunningStatistics._fields}
        )

    def _require_usable(self, betas: Float32[np.ndarray, "voxels"], name: str) -> None:
        expected = self.run.bundle.num_voxels
        if len(betas) != expected:
            raise ValueError(
                f"{name} has {len(betas)} voxels, the run decodes {expected}. "
                "Was it masked with another ROI?"
            )
        bad = int((~np.isfinite(betas)).sum())
        if bad > MAX_INVALID_SHARE * expected:
            raise ValueError(
                f"{name}: {bad} of {expected} voxels are not finite. "
                "Did they leave the scanned slab? Leave this trial out."
            )
