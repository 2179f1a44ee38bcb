"""Two files of one session that disagree are noticed before anything is made of them."""

import logging

import h5py
import numpy as np
import pytest

from mindeye.data.betas import read_session
from mindeye.data.prepare import prepare_nsd
from mindeye.data.session_forms import other_form, require_same_betas

FORMS = ("hdf5", "nii.gz")


def betas_of(tree, session, form):
    path = tree.betas / f"betas_session{session:02d}.{form}"
    return path, read_session(path, tree.mask(), 750)


@pytest.mark.parametrize("form", FORMS)
def test_the_other_form_is_found_and_equal(written, form, caplog):
    path, betas = betas_of(written, 1, form)
    assert other_form(path).name == f"betas_session01.{FORMS[form == 'hdf5']}"
    assert other_form(other_form(path)) == path
    require_same_betas(path, betas, written.mask())
    assert not caplog.records


@pytest.mark.parametrize("form", FORMS)
def test_the_file_of_another_session_is_refused_with_both_names(own_tree, form):
    path, betas = betas_of(own_tree, 1, form)
    other = other_form(path)
    other_form(betas_of(own_tree, 2, form)[0]).replace(other)
    with pytest.raises(ValueError, match=rf"session01.{form} and {other.name} hold different"):
        require_same_betas(path, betas, own_tree.mask())


def test_one_value_in_the_first_volumes_is_enough(own_tree):
    x, y, z = np.argwhere(own_tree.mask())[9]
    with h5py.File(own_tree.betas / "betas_session01.hdf5", "r+") as file:
        file["betas"][3, z, y, x] += 1
    path, betas = betas_of(own_tree, 1, "hdf5")
    count = 5 * own_tree.mask().sum()
    with pytest.raises(ValueError, match=f"different betas: 1 of {count} compared ones"):
        require_same_betas(path, betas, own_tree.mask())


def test_another_number_of_trials_differs(own_tree, rewrite_volume):
    rewrite_volume(own_tree.betas / "betas_session01.nii.gz", own_tree.raw[0][..., :740])
    path, betas = betas_of(own_tree, 1, "hdf5")
    with pytest.raises(ValueError, match="hold different betas"):
        require_same_betas(path, betas, own_tree.mask())


@pytest.mark.parametrize("form", FORMS)
def test_an_unused_file_that_cannot_be_read_is_only_named(own_tree, form, caplog):
    path, betas = betas_of(own_tree, 1, form)
    other = other_form(path)
    other.write_bytes(other.read_bytes()[:300])
    with caplog.at_level(logging.WARNING):
        require_same_betas(path, betas, own_tree.mask())
    (record,) = caplog.records
    assert f"{other} cannot be compared with {path.name}" in record.message


def test_preparing_refuses_the_session_and_leaves_nothing(own_tree, tmp_path):
    other = own_tree.betas / "betas_session02.nii.gz"
    (own_tree.betas / "betas_session01.nii.gz").replace(other)
    out = tmp_path / "there" / "a"
    with pytest.raises(ValueError, match=r"session02.hdf5 and betas_session02.nii.gz hold diff"):
        prepare_nsd(own_tree.root, subject=1, out=out)
    assert list(out.parent.iterdir()) == []
    other.unlink()
    prepare_nsd(own_tree.root, subject=1, out=out)
