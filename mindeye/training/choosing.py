"""The weights that a training will end with, as far as it has come."""

import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from diffusers.training_utils import EMAModel
from torch import Tensor

from mindeye.config import to_mapping
from mindeye.training.among_processes import numbers_of_all
from mindeye.training.state import TrainingState

# What validation tells, and when a value is better than an earlier one.
MEASURES = {"validation_top1": operator.gt, "validation_latent_distance": operator.lt}


class WeightsChoice:
    """Averages weights and remembers the best ones, where `choice` asks for it."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self.config = state.config.choice
        decay = self.config.ema_decay
        if decay and state.is_sharded:
            raise ValueError(
                f"`choice.ema_decay` is {decay}, but weights that are sharded over processes are "
                "not averaged. Leave it out, or train with whole weights in each process."
            )
        self.average = EMAModel(self._learning, decay=decay, foreach=True) if decay else None
        self.best: dict[str, Any] = {}
        """Step, value and (where they are to be kept) weights of the best validation so far."""

    @property
    def _learning(self) -> list[Tensor]:
        return [one for one in self.state.decoder.parameters() if one.requires_grad]

    def updated(self) -> None:
        """To be called after every update of the weights."""
        if self.average:
            self.average.step(self._learning)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The decoder has its averaged weights, where there are any."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        """Tensors change places: no copy, and the optimizer keeps its parameters."""
        if not self.average:
            return
        shadows = self.average.shadow_params
        for place, parameter in enumerate(self._learning):
            parameter.data, shadows[place] = shadows[place], parameter.data

    def judged(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """Takes the validation of an epoch's end, with `shown` weights; what the log tells of it.

        Validation sets are small: retrieval moves in steps of one image, and ties are common.
        """
        measure = next((one for one in MEASURES if any(k.startswith(one) for k in values)), None)
        if not self.config.by_validation or measure is None:
            return {}
        found = [one for name, one in values.items() if name.startswith(measure)]
        value = sum(found) / len(found)
        if not self.best or MEASURES[measure](value, self.best["value"]):
            self.best = {"step": step, "measure": measure, "value": value}
            if self.config.weights == "best":
                weights = self.state.full_weights()
                if self.state.accelerator.is_main_process:
                    kept = {name: one.to("cpu", copy=True) for name, one in weights.items()}
                    self.best["weights"] = kept
        subjects = self.state.material.subjects.values()
        num_images = sum(len(one.validation.image_ids) for one in subjects)
        return {"validation_images": num_images, "best_step": self.best["step"]}

    def ends(self, step: int) -> bool:
        """Whether the training shall end with this step, because patience has run out.

        To be asked in every process.
        """
        length, patience = self.state.length, self.config.patience
        if patience is None or (step + 1) % length.steps_per_epoch:
            return False
        since = (step - self.best["step"]) // length.steps_per_epoch if self.best else 0
        # The first process, which validates, decides for all.
        return bool(numbers_of_all(int(since >= patience))[0])

    def final_weights(self, last_step: int) -> dict[str, Tensor | None]:
        """What the run shall hold; with a choice, provenance tells which they are.

        To be asked in every process; the main one is to write them.
        """
        about = self.told(last_step)
        if about and self.state.accelerator.is_main_process:
            self.state.run.tell({"choice": about})
        if self.best and self.config.weights == "best":
            return self.best.get("weights", {})
        with self.shown():
            # The exchange back puts other tensors into the decoder, and leaves these as they are.
            return dict(self.state.full_weights())

    def told(self, last_step: int) -> dict[str, Any]:
        """Which weights are kept, and by which number; nothing without a choice."""
        if not (self.config.by_validation or self.average):
            return {}
        best = {f"best_{name}": one for name, one in self.best.items() if name != "weights"}
        chosen = self.best["step"] if "weights" in self.best else last_step
        early = last_step + 1 < self.state.length.num_steps
        about = {"step": chosen, "last_step": last_step, "ended_early": early, **best}
        return {**to_mapping(self.config), **about}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold of the choice; nothing without one."""
        found: dict[str, Any] = {"best": self.best} if self.best else {}
        if self.average:
            averaged = self.average.shadow_params
            found["average"] = {"updates": self.average.optimization_step, "weights": averaged}
        return found

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.best = dict(saved.get("best", {}))
        if not self.state.accelerator.is_main_process:
            self.best.pop("weights", None)
        if self.average:
            self.average.optimization_step = saved["average"]["updates"]
            for shadow, one in zip(
                self.average.shadow_params, saved["average"]["weights"], strict=True
            ):
                shadow.copy_(one)
