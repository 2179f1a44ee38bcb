"""Which of the reconstruction benchmarks was asked for on the command line."""

import argparse
from collections.abc import Iterator

from mindeye.verbs.benchmarks.few_step_prior import few_step_prior
from mindeye.verbs.benchmarks.generator_memory import generator_memory
from mindeye.verbs.benchmarks.prior_sampling_times import SamplingSetting, prior_sampling_times
from mindeye.verbs.benchmarks.whole_reconstruction import WholeSetting, whole_reconstruction
from mindeye.verbs.device import require_device

BENCHMARKS = ("prior", "few-step", "whole", "memory")
OF_PRIOR = ("num_tokens", "width", "depth", "steps", "plain_pictures")


def benchmark_lines(given: argparse.Namespace) -> Iterator[str]:
    """The lines of one; numbers that were left out are its own.

    Raises:
        LookupError: a device that is not here.
    """
    require_device(given.device)
    seen = {"device": given.device, "threads": given.threads, "candidates": given.candidates}
    if given.what == "prior":
        shared = {name: getattr(given, name) for name in OF_PRIOR}
        sizes = {"images": given.images or 64, "batch": given.batch or 64}
        yield from prior_sampling_times(
            SamplingSetting(**sizes, **shared, **seen), given.rounds, given.out
        )
    elif given.what == "whole":
        setting = WholeSetting(
            images=given.images or 4,
            real_size=given.real_size,
            steps=given.steps,
            generator_dtype=given.generator_dtype or "float32",
            batch=given.batch,
            max_memory=given.max_memory,
            **seen,
        )
        yield from whole_reconstruction(setting, given.rounds, given.out)
    elif given.what == "memory":
        yield from generator_memory(given.device, given.generator_dtype or "float16", given.out)
    else:
        yield from few_step_prior(
            given.run,
            given.out,
            guidances=given.guidance,
            num_images=given.images,
            seed=given.seed,
        )
