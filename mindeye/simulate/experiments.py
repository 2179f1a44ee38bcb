"""Writes nsdsynthetic and nsdimagery of a made-up subject: the layout of NSD, other pictures.

Both show scenes that the main experiment never showed (five targets of nsdimagery are shared
images, as in NSD). Real nsdsynthetic shows noise, gratings and words instead, and immediate
repeats; here the order is random. Of nsdimagery, attention and the words of set C evoke nothing,
and what is imagined half of what is seen.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from mindeye import nsd_experiments as facts
from mindeye import nsd_layout as nsd
from mindeye.simulate.design import Design
from mindeye.simulate.matlab import write_matlab
from mindeye.simulate.new_pictures import with_new_pictures
from mindeye.simulate.presets import SimulationRequest
from mindeye.simulate.scenes import Scene, draw_scene, scene_of
from mindeye.simulate.sessions import NCSNR_SCALES, as_stored
from mindeye.simulate.subject import SimulatedSubject, session_betas
from mindeye.simulate.trial_noise import voxel_noise
from mindeye.simulate.volumes import write_betas

SCREEN = (714, 1360)
"""Height and width of the screens of nsdsynthetic; the square of NSD is as high."""
SLOTS_PER_RUN = 107
SYNTHETIC_REPEATS = {2: 236, 4: 32, 8: 8, 10: 8}
"""How often a picture is shown -> so many pictures (gifale95/RNC, noise ceiling)."""
LETTERS = {"A": "HRVLPE", "B": "WKBCDT", "C": "SZMYNF"}
SHARED_TARGETS = 5
IMAGINED_STRENGTH = 0.5
FIRST_SCENES = {"nsdsynthetic": 1_000_000, "nsdimagery": 2_000_000}
"""Scenes of their own: far above NSD's ids."""
COLUMNS = (
    *("SUBJECT", "SESSION", "RUN", "TRIAL", "CONDITION", "CUE", "FRAMEFILE", "IMAGEFILE"),
    *("GROUNDTRUTH", "ISCORRECT", "CHANGEMIND", "TOTAL1", "TOTAL2", "BUTTON", "TRIALONSET"),
    *("TRIALEND", "IMAGEONSET", "IMAGESERIESENDS", "FINALDECISIONTIME", "RT"),
)
"""Of the tables of nsdimagery; those after CUE are NaN here."""


def require_experiments(names: Sequence[str]) -> None:
    """Refuses unknown experiments.

    Raises:
        LookupError: says which ones there are.
    """
    for name in names:
        if name not in facts.OTHER_EXPERIMENTS:
            known = ", ".join(facts.OTHER_EXPERIMENTS)
            raise LookupError(f"Unknown experiment `{name}`. Choose {known}.")


def write_experiments(
    folder: Path,
    names: Sequence[str],
    design: Design,
    simulated: SimulatedSubject,
    request: SimulationRequest,
) -> None:
    """Writes design, pictures and betas of some experiments."""
    for name in names:
        write = {"nsdsynthetic": _write_synthetic, "nsdimagery": _write_imagery}[name]
        write(folder, design, simulated, request)


def _write_synthetic(
    folder: Path, design: Design, simulated: SimulatedSubject, request: SimulationRequest
) -> None:
    total, shared = facts.NUM_SYNTHETIC_IMAGES, facts.NUM_SYNTHETIC_SHARED
    own = FIRST_SCENES["nsdsynthetic"] + 1_000 * request.subject
    ids = [
        (FIRST_SCENES["nsdsynthetic"] if number < shared else own) + number
        for number in range(total)
    ]
    scenes = [scene_of(request.seed, one) for one in ids]
    side = request.config.image_side
    pictures = np.stack([draw_scene(scene, side) for scene in scenes])
    paths = facts.synthetic_stimuli_paths(request.subject)
    for path, part in zip(paths, (pictures[:shared], pictures[shared:]), strict=True):
        _write_screens(folder / path, part)
    # The same order for every subject, as in NSD.
    generator = replace(request, subject=0).stream("nsdsynthetic", "order")
    counts = [count for count, pictures_of in SYNTHETIC_REPEATS.items() for _ in range(pictures_of)]
    order = generator.permutation(np.repeat(generator.permutation(total), counts))
    pattern = np.zeros((1, facts.SYNTHETIC_RUNS, SLOTS_PER_RUN), dtype=np.uint8)
    pattern[..., 5 : 5 + len(order) // facts.SYNTHETIC_RUNS] = 1
    ordering = (order + 1)[None].astype(np.uint16)
    arrays = {"masterordering": ordering, "stimpattern": pattern}
    write_matlab(folder / facts.synthetic_design_path(), arrays)
    seeing = with_new_pictures(folder, design, simulated, request, scenes, pictures)
    _write_other_betas(folder, "nsdsynthetic", seeing, order, request)


def _write_screens(path: Path, squares: UInt8[np.ndarray, "images side side 3"]) -> None:
    """Squares in the middle of gray screens, linear in light: levels are squared."""
    side = squares.shape[1]
    width = 2 * round(side * SCREEN[1] / SCREEN[0] / 2)
    shape = (len(squares), side, width, 3)
    screens = np.full(shape, nsd.BACKGROUND_GRAY, dtype=np.uint8)
    left = (width - side) // 2
    screens[:, :, left : left + side] = squares
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        linear = np.rint((screens / 255.0) ** 2 * 255).astype(np.uint8)
        file.create_dataset("imgBrick", data=linear, chunks=(1, *shape[1:]))


def _write_imagery(
    folder: Path, design: Design, simulated: SimulatedSubject, request: SimulationRequest
) -> None:
    files, scenes = _targets(design, request)
    pictures = np.stack([draw_scene(one, request.config.image_side) for one in scenes.values()])
    for letter, picture in zip(scenes, pictures, strict=True):
        name = next(one for one, letters in LETTERS.items() if letter in letters)
        path = folder / facts.imagery_picture_path(name, files[letter])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    for name, letters in LETTERS.items():
        cells = np.empty((len(letters), 3), dtype=object)
        for row, letter in enumerate(letters):
            cells[row] = [row + 1, files[letter], letter]
        write_matlab(folder / facts.imagery_pairs_path(name), {"pair_list": cells})
    seeing = with_new_pictures(folder, design, simulated, request, [*scenes.values()], pictures)
    # After what is seen of each target: what is imagined of it, and nothing.
    seen = seeing.signal
    nothing = np.zeros_like(seen[:1])
    seeing = replace(seeing, signal=np.concatenate([seen, IMAGINED_STRENGTH * seen, nothing]))
    rows = []
    for number, run in enumerate(facts.IMAGERY_RUNS, start=1):
        letters = _write_table(folder, run, number, request)
        known = [[*scenes].index(letter) if letter in scenes else None for letter in letters]
        shift = len(seen) if run.startswith("img") else 0
        has_picture = not run.startswith("att")
        answers = [
            len(seeing.signal) - 1 if one is None or not has_picture else one + shift
            for one in known
        ]
        rows += answers * (1 if has_picture else 2)
    _write_other_betas(folder, "nsdimagery", seeing, np.array(rows), request)


def _targets(design: Design, request: SimulationRequest) -> tuple[dict[str, str], dict[str, Scene]]:
    """Letter -> file of all three sets, and -> scene of A and B; five are shared images."""
    letters = [*LETTERS["A"], *LETTERS["B"]]
    ids = [FIRST_SCENES["nsdimagery"] + number for number in range(len(letters))]
    files = {letter: f"scene_{letter}.png" for letter in LETTERS["A"]}
    shown = np.isin(design.sharedix - 1, design.image_ids(request.subject, request.config.sessions))
    places = np.flatnonzero(shown)[:: max(1, int(shown.sum()) // SHARED_TARGETS)][:SHARED_TARGETS]
    for letter, place in zip(LETTERS["B"], places.tolist(), strict=False):
        number = int(design.sharedix[place])
        files[letter] = f"shared{place + 1:04d}_nsd{number:05d}.png"
        ids[letters.index(letter)] = number - 1
    for letter in LETTERS["B"]:
        files.setdefault(letter, f"shared0000_nsd00000{'' if letter == 'T' else letter}.png")
    files |= {letter: f"concept {letter}" for letter in LETTERS["C"]}
    return files, {one: scene_of(request.seed, n) for one, n in zip(letters, ids, strict=True)}


def _write_table(folder: Path, run: str, number: int, request: SimulationRequest) -> list[str]:
    """One run's table; returns the letter of each trial. In vision half of the cues are false."""
    generator = request.stream("nsdimagery", run)
    letters = LETTERS[run[3]]
    repeats = facts.IMAGERY_TRIALS_PER_RUN // len(letters)
    conditions = generator.permutation(list(letters * repeats)).tolist()
    cues = list(conditions)
    if not run.startswith("img"):
        for trial in generator.permutation(len(cues))[::2].tolist():
            others = letters.replace(conditions[trial], "")
            cues[trial] = others[int(generator.integers(len(others)))]
    rest = ["NaN"] * (len(COLUMNS) - 6)
    rows = [
        [str(request.subject), "1", str(number), str(trial), condition, cue, *rest]
        for trial, (condition, cue) in enumerate(zip(conditions, cues, strict=True), start=1)
    ]
    path = folder / facts.imagery_responses_path(request.subject, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(row) for row in (COLUMNS, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return conditions


def _write_other_betas(
    folder: Path,
    experiment: str,
    seeing: SimulatedSubject,
    rows: Int[np.ndarray, "trials"],
    request: SimulationRequest,
) -> None:
    """One session of each beta version but b1, with a baseline and a gain of its own."""
    anatomy, config = seeing.anatomy, request.config
    for version in set(config.beta_versions) - {"b1"}:
        generator = request.stream(experiment, version)
        num_voxels = len(anatomy.areas)
        offset = generator.normal(0, config.offset_sd, num_voxels)
        gain = np.exp(generator.normal(0, config.gain_sd, num_voxels))
        latent = request.stream(experiment, "latent noise")
        betas = session_betas(
            seeing,
            rows,
            voxel_noise(anatomy.brain, len(rows), config, generator),
            latent.standard_normal((len(rows), len(seeing.jitter)), dtype=np.float32),
            ncsnr_scale=NCSNR_SCALES[version],
        )
        main = nsd.beta_folder(request.subject, version)
        stored = as_stored(seeing.psc_mean + seeing.psc_sd * (gain * betas + offset))
        place = folder / main.with_name(f"{experiment}{main.name}")
        write_betas(place, f"betas_{experiment}", stored, anatomy.brain)
