"""Trees that came here broken: the file is named, exit code 2, and nothing partial is left."""

import numpy as np
import pytest

from mindeye.cli import main

RESPONSES = "nsddata/ppdata/subj01/behav/responses.tsv"


def only_nifti(tree):
    for path in tree.betas.glob("*.hdf5"):
        path.unlink()


def truncated_gzip(tree, rewrite_betas, rewrite_volume):
    only_nifti(tree)
    path = tree.betas / "betas_session02.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def half_written_hdf5(tree, rewrite_betas, rewrite_volume):
    path = tree.betas / "betas_session02.hdf5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def missing_session(tree, rewrite_betas, rewrite_volume):
    for path in tree.betas.glob("betas_session01.*"):
        path.unlink()


def fewer_trials(tree, rewrite_betas, rewrite_volume):
    rewrite_betas(tree.betas, 2, tree.raw[1][..., :740])


def mask_of_another_subject(tree, rewrite_betas, rewrite_volume):
    wider = np.pad(tree.atlases["nsdgeneral"], ((0, 1), (0, 0), (0, 0)), constant_values=-1)
    rewrite_volume(tree.functional / "roi" / "nsdgeneral.nii.gz", wider)


def table_of(tree, change):
    path = tree.root / RESPONSES
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def duplicate_row(tree, rewrite_betas, rewrite_volume):
    table_of(tree, lambda lines: [*lines[:9], lines[8], *lines[9:]])


def blank_cells(tree, rewrite_betas, rewrite_volume):
    table_of(tree, lambda lines: [*lines[:9], "\t" * 4, *lines[9:]])


def too_many_rows(tree, rewrite_betas, rewrite_volume):
    table_of(tree, lambda lines: [lines[0], *(lines[1:] * 21)[:30_001]])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (truncated_gzip, "betas_session02.nii.gz cannot be read"),
        (half_written_hdf5, "betas_session02.hdf5 cannot be read"),
        (missing_session, "betas_session01.hdf5 is missing"),
        (fewer_trials, "betas_session02.hdf5 holds 740 trials, but the design has 750"),
        (mask_of_another_subject, "but the mask has (10, 8, 7)"),
        (duplicate_row, "responses.tsv: trial 8 shows image"),
        (blank_cells, "responses.tsv has a row without a whole 73KID in line 10"),
        (too_many_rows, "responses.tsv has 30001 rows, but the design has 30000"),
    ],
)
def test_a_broken_tree_is_named_and_leaves_nothing(
    own_tree, rewrite_betas, rewrite_volume, tmp_path, capsys, broken, message
):
    broken(own_tree, rewrite_betas, rewrite_volume)
    out = tmp_path / "there" / "out"
    with pytest.raises(SystemExit) as ended:
        main(["prepare", "nsd", str(own_tree.root), "--subject", "1", "--out", str(out)])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not out.parent.exists() or list(out.parent.iterdir()) == []
