"""Splits of the authors: where they are found, and what is wrong with one."""

import json
import re

import pytest

from mindeye.data.other_datasets.laion_fmri.published_splits import read_split

SHARED, OWN = "shared_12rep_A.jpg", "unique_A_p01.jpg"


def write_split(path, train, test):
    path.parent.mkdir(parents=True, exist_ok=True)
    variant = {"variant_id": 0, "train_ids": train, "test_ids": test}
    path.write_text(json.dumps({"name": "tau", "pool": "p", "variants": [variant]}))
    return path


def test_splits_are_found_by_name_by_pool_and_by_path(tmp_path):
    own = write_split(tmp_path / "splits/sub-01/tau.json", [OWN], [SHARED])
    write_split(tmp_path / "splits/shared/tau.json", [SHARED], ["shared_4rep_B.png"])
    found = read_split(tmp_path, "tau", 1)
    assert (found.train, found.test, found.name) == ({OWN}, {SHARED}, "sub-01/tau")
    assert read_split(tmp_path, "shared/tau", 1).train == {SHARED}
    assert read_split(tmp_path / "elsewhere", str(own), 1).test == {SHARED}
    with pytest.raises(FileNotFoundError, match=r"splits/sub-01/ood.json is missing"):
        read_split(tmp_path, "ood", 1)
    with pytest.raises(LookupError, match=r"no published split `special`.*tau, ood"):
        read_split(tmp_path, "special", 1)
    with pytest.raises(LookupError, match=r"no published split `sub-03/tau`"):
        read_split(tmp_path, "sub-03/tau", 1)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([OWN, SHARED], [SHARED], "1 images stand in train and in test, first ['shared_12rep_A"),
        (["unique_A_p05.jpg"], [SHARED], "one of subject 7's"),
        (["cat.jpg"], [SHARED], "names image `cat.jpg`"),
        ([], [], "is no split file of LAION-fMRI"),
        ([1], [SHARED], "is no split file of LAION-fMRI"),
    ],
)
def test_a_wrong_split_is_refused_by_what_is_wrong_with_it(tmp_path, train, test, said):
    path = write_split(tmp_path / "split.json", train, test)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_split(tmp_path, str(path), 1)
