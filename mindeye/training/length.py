"""How long a training is, and what stands where in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mindeye.training.experiment import LossConfig, ScheduleConfig
from mindeye.training.order import BatchRows, batch_rows, batches_in_pass
from mindeye.training.schedule import Phase, phase_by_epoch, phase_by_step


@dataclass(frozen=True, kw_only=True)
class TrainingLength:
    """A schedule for subjects of known size."""

    schedule: ScheduleConfig
    num_images_of: Mapping[int, int]
    """Subject -> training images."""
    steps_per_epoch: int

    @property
    def num_steps(self) -> int:
        return self.schedule.num_epochs * self.steps_per_epoch

    def phase(self, step: int, losses: LossConfig, *, by_epoch: bool) -> Phase:
        """Which contrastive loss a step has; `by_epoch` as published, else by the step."""
        settings = (losses.mixco_phase, losses.mixco_temperature, losses.soft_temperatures)
        if by_epoch:
            epoch = step // self.steps_per_epoch
            return phase_by_epoch(epoch, self.schedule.num_epochs, *settings)
        return phase_by_step(step / self.num_steps, *settings)

    def batches(self, seed: int, first: int) -> Iterator[BatchRows]:
        """The batches from step `first` on."""
        return batch_rows(
            self.num_images_of,
            self.schedule.batch,
            seed,
            first=first,
            num_steps=self.num_steps,
            together=self.schedule.subjects_together,
        )


def length_of(schedule: ScheduleConfig, num_images_of: Mapping[int, int]) -> TrainingLength:
    """Counts the steps.

    Raises:
        ValueError: a subject has fewer images than a batch takes of it.
    """
    whole_pass = batches_in_pass(num_images_of, schedule.batch, schedule.subjects_together)
    return TrainingLength(
        schedule=schedule,
        num_images_of=dict(num_images_of),
        steps_per_epoch=schedule.steps_per_epoch or whole_pass,
    )
