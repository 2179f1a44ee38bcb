"""The progress bar of a training: epoch, time left, losses, images a second, memory."""

import sys
from collections.abc import Mapping

from tqdm import tqdm

from mindeye.training.processes import how_it_trains
from mindeye.training.speed import Speed
from mindeye.training.state import TrainingState
from mindeye.training.watching import Watcher

# tqdm's own, but for its steps a second: the images a second stand among the values.
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class TrainingBar(Watcher):
    """Says how it trains, then moves with every step; its values are of the last line logged."""

    def begins(self, state: TrainingState, first: int) -> None:
        self.length = state.length
        tqdm.write(how_it_trains(state.accelerator, state.config.schedule), sys.stderr)
        self.bar = tqdm(
            total=self.length.num_steps,
            initial=first,
            desc=self._title(first),
            bar_format=_FORMAT,
            dynamic_ncols=True,
            mininterval=0.5,
        )

    def stepped(self, step: int) -> None:
        self.bar.set_description(self._title(step), refresh=False)
        self.bar.update(1)

    def logged(self, line: Mapping[str, float], speed: Speed) -> None:
        self.bar.set_postfix_str(", ".join(shown(line, speed)), refresh=False)

    def ends(self) -> None:
        self.bar.close()

    def _title(self, step: int) -> str:
        epoch = min(step // self.length.steps_per_epoch + 1, self.length.schedule.num_epochs)
        return f"epoch {epoch}/{self.length.schedule.num_epochs}"


def shown(line: Mapping[str, float], speed: Speed) -> list[str]:
    """What stands behind the bar: losses and monitors, rate, speed, memory."""
    values = {name: value for name, value in line.items() if name not in ("step", "learning_rate")}
    memory = speed.memory_gb.get("allocated", speed.memory_gb["resident"])
    return [
        *(f"{name} {value:.3g}" for name, value in values.items()),
        f"rate {line['learning_rate']:.2g}",
        f"{speed.images_per_s:,.0f} images/s",
        f"{memory:.1f} GB",
    ]
