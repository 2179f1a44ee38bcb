"""The written tree with nsdsynthetic and nsdimagery, by the letter of manual and public readers."""

import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

VERSION = "betas_fithrf_GLMdenoise_RR"
HEIGHT, WIDTH, SIDE = 18, 34, 12
LETTERS = {"A": "HRVLPE", "B": "WKBCDT", "C": "SZMYNF"}
RUNS = [
    "visA",
    "attA",
    "imgA_1",
    "visB",
    "attB",
    "imgB_1",
    "visC",
    "attC",
    "imgC_1",
    "imgA_2",
    "imgB_2",
    "imgC_2",
]


class TransferTree(NamedTuple):
    """A tree on disk and the arrays that it was made of."""

    root: Path
    mask: np.ndarray
    raw: dict[str, np.ndarray]
    """Experiment -> (x, y, z, betas) int16."""
    order: np.ndarray
    """Number of each of the 744 pictures of nsdsynthetic, from 0."""
    screens: np.ndarray
    """(284, HEIGHT, WIDTH, 3) as stored."""
    conditions: dict[str, list[str]]
    """Run -> letter of what was seen or imagined in its 48 trials."""
    files: dict[str, str]
    """Letter -> file of its target, of sets A and B."""
    pictures: dict[str, np.ndarray]
    """Letter -> pixels of its file."""
    twins: dict[str, int]
    """Letter -> 73k id from 0, of targets that NSD showed."""

    def percent(self, experiment: str) -> np.ndarray:
        """(betas, voxels): voxel by voxel with x slowest."""
        raw = self.raw[experiment]
        columns = [raw[place] for place in np.ndindex(self.mask.shape) if self.mask[place]]
        return np.array(columns, dtype=np.float64).T / 300

    def table_path(self, run: str) -> Path:
        return self.root / f"nsddata/bdata/nsdimagery/nsdimagery_subj01_{run}.tsv"

    def write_table(self, run: str, conditions: list[str], cues: list[str]) -> None:
        """The columns that readers of the real tables print, of which three are needed."""
        lines = ["SUBJECT\tSESSION\tRUN\tTRIAL\tCONDITION\tCUE\tFRAMEFILE\tRT"]
        lines += [
            f"1\t1\t{RUNS.index(run) + 1}\t{trial}\t{seen}\t{cue}\tframe.png\tNaN"
            for trial, (seen, cue) in enumerate(zip(conditions, cues, strict=True), start=1)
        ]
        path = self.table_path(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def write_pairs(self, name: str, files: list[str]) -> None:
        """A 6 x 3 cell array, in another order than the numbers'."""
        cells = np.empty((6, 3), dtype=object)
        for row, number in enumerate((2, 1, 3, 4, 6, 5)):
            cells[row] = [number, files[number - 1], LETTERS[name][number - 1]]
        folder = self.root / "nsddata/experiments/nsdimagery"
        folder.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(folder / f"{name}_pair_list.mat", {"pair_list": cells})

    def write_screens(self, shared: np.ndarray, own: np.ndarray) -> None:
        folder = self.root / "nsddata_stimuli/stimuli/nsdsynthetic"
        folder.mkdir(parents=True, exist_ok=True)
        names = ("nsdsynthetic_stimuli", "nsdsynthetic_colorstimuli_subj01")
        for name, pictures in zip(names, (shared, own), strict=True):
            with h5py.File(folder / f"{name}.hdf5", "w") as file:
                file["imgBrick"] = pictures


def _order(generator: np.random.Generator) -> np.ndarray:
    """236 pictures twice, 32 four, 8 eight and 8 ten times, as in the experiment."""
    counts = generator.permutation([2] * 236 + [4] * 32 + [8] * 8 + [10] * 8)
    return generator.permutation(np.repeat(np.arange(284), counts))


def _screens(generator: np.random.Generator) -> np.ndarray:
    """Pictures 3 and 250 show something only outside of the middle square."""
    screens = generator.integers(0, 256, (284, HEIGHT, WIDTH, 3), dtype=np.uint8)
    screens[[3, 250], :, 8:26] = 114
    return screens


@pytest.fixture(scope="session")
def shared_transfer_tree(written, rewrite_betas, tmp_path_factory) -> TransferTree:
    """Shared by all tests: read only."""
    root = Path(shutil.copytree(written.root, tmp_path_factory.mktemp("transfer") / "nsd"))
    generator = np.random.default_rng(23)
    design = scipy.io.loadmat(root / "nsddata/experiments/nsd/nsd_expdesign.mat")
    shared = design["sharedix"][0].astype(int)
    places = (385, 413, 741, 842, 907)
    names = {
        "A": [f"bar_{angle}.png" for angle in range(6)],
        "B": [f"shared{one:04d}_nsd{shared[one - 1]:05d}.png" for one in places]
        + ["shared0000_nsd00000.png"],
        "C": [f"concept{number}" for number in range(6)],
    }
    tree = TransferTree(
        root, written.mask(), {}, _order(generator), _screens(generator), {}, {}, {}, {}
    )
    for name, files in names.items():
        tree.write_pairs(name, files)
        for number, (letter, file) in enumerate(zip(LETTERS[name], files, strict=True)):
            if name == "C":
                continue
            tree.files[letter] = file
            tree.pictures[letter] = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            path = root / f"nsddata/experiments/nsdimagery/rawtargetimages/set{name}/{file}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tree.pictures[letter]).save(path)
            if name == "B" and number < 5:
                tree.twins[letter] = int(shared[places[number] - 1]) - 1
    for run in RUNS:
        letters = list(generator.permutation(list(LETTERS[run[3]] * 8)))
        tree.conditions[run] = [str(letter) for letter in letters]
        # In vision the cue is another target's in half of the trials.
        wrong = [letters[(row + 1) % 48] if row % 2 else one for row, one in enumerate(letters)]
        tree.write_table(run, letters, wrong if run.startswith("vis") else letters)
    for experiment, count in (("nsdsynthetic", 744), ("nsdimagery", 720)):
        raw = generator.normal(300, 600, (*tree.mask.shape, count)).astype(np.int16)
        tree.raw[experiment] = raw
        write_other_betas(rewrite_betas, root, experiment, raw)
    pattern = np.zeros((1, 8, 107), np.uint8)
    pattern[..., 5:98] = 1
    path = root / "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat"
    path.parent.mkdir(parents=True)
    ordering = (tree.order + 1)[None].astype(np.uint16)
    scipy.io.savemat(path, {"masterordering": ordering, "stimpattern": pattern})
    tree.write_screens(tree.screens[:220], tree.screens[220:])
    return tree


def write_other_betas(rewrite_betas, root: Path, experiment: str, raw: np.ndarray) -> None:
    folder = root / f"nsddata_betas/ppdata/subj01/func1pt8mm/{experiment}{VERSION}"
    folder.mkdir(exist_ok=True)
    rewrite_betas(folder, 1, raw)
    for ending in ("hdf5", "nii.gz"):
        (folder / f"betas_session01.{ending}").replace(folder / f"betas_{experiment}.{ending}")


@pytest.fixture
def transfer_tree(shared_transfer_tree, tmp_path) -> TransferTree:
    """A copy that a test may break."""
    root = Path(shutil.copytree(shared_transfer_tree.root, tmp_path / "tree"))
    return shared_transfer_tree._replace(root=root)


@pytest.fixture
def rewrite_other(rewrite_betas):
    """(tree, experiment, raw): replaces both forms of its betas."""

    def rewrite(tree: TransferTree, experiment: str, raw: np.ndarray) -> None:
        write_other_betas(rewrite_betas, tree.root, experiment, raw)

    return rewrite
