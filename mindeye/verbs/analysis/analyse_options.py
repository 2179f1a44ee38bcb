"""`mindeye analyse`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.report.banner import SIMULATED
from mindeye.verbs.progress import Stages
from mindeye.verbs.shared_options import (
    add_data,
    add_device,
    add_networks,
    add_run,
    add_seed,
    add_subject,
    add_verb,
    given_networks,
)


def analyse_options(verbs) -> argparse.ArgumentParser:
    """`mindeye analyse`."""
    about = "what the voxels of a run say, and where: regions, repeats, sessions, ceiling, maps"
    verb = add_verb(verbs, "analyse", about, "mindeye analyse runs/one --out runs/one/analysis")
    add_run(verb)
    verb.add_argument("--out", type=Path, help="folder of the results (default: RUN/analysis)")
    parts = "some of regions, repeats, sessions, ceiling, patterns (default: all there is data for)"
    verb.add_argument("--parts", nargs="+", metavar="PART", help=parts)
    verb.add_argument("--pool", type=int, default=100, help="of image retrieval (default: 100)")
    ground = "a volume of the scan's grid under the maps, such as T1_to_func1pt8mm.nii.gz"
    verb.add_argument("--background", type=Path, help=ground)
    add_seed(verb, "of the bootstrap, and of the voxels drawn from a region")
    add_subject(verb)
    add_data(verb)
    add_networks(verb)
    add_device(verb)
    return verb


def perform_analyse(options: argparse.Namespace) -> Iterator[str]:
    """Analyses, and says what was found."""
    from mindeye.verbs.analysis.analyse import analyse_run

    out, stages = options.out or options.run / "analysis", Stages()
    found = analyse_run(
        options.run,
        out,
        subject=options.subject,
        data=options.data,
        parts=options.parts,
        pool_size=options.pool,
        background=options.background,
        seed=options.seed,
        **given_networks(options),
        device=options.device,
        progress=stages,
    )
    stages.close()
    for one in found.findings.values():
        yield from one.notes
    yield from found.absent.values()
    yield f"points: {out / 'analysis.tsv'}"
    yield f"report: {out / 'report.html'}"
    if found.about["simulated"] is not None:
        yield SIMULATED
