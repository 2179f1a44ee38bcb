"""Teachers by name: where they are looked for, and what is said where they are absent."""

import pytest
import timm
import torch

from mindeye.targets.published_teachers import PUBLISHED_TEACHERS, teacher_folder


@pytest.mark.parametrize("name", [name for name, one in PUBLISHED_TEACHERS.items() if one.timm])
def test_what_is_told_of_a_teacher_is_what_timm_tells(name):
    about = PUBLISHED_TEACHERS[name]
    known = timm.get_pretrained_cfg(about.timm)
    assert known.hf_hub_id.removesuffix("/") in (about.hub, "timm")
    assert known.license.casefold() == about.terms.casefold()
    with torch.device("meta"):
        network = timm.create_model(about.timm)
    size = 4 * sum(one.numel() for one in network.parameters())
    assert size / 1e6 == pytest.approx(about.megabytes, abs=1)
    last = list(network.feature_info)[-1]
    assert (about.side / last["reduction"]) == 16
    assert about.map_width == last["num_chs"]


def test_a_folder_is_taken_as_it_is_and_a_name_from_the_folder_of_networks(tmp_path, monkeypatch):
    assert teacher_folder("some/folder").as_posix() == "some/folder"
    monkeypatch.setenv("MINDEYE_NETWORKS", str(tmp_path))
    (tmp_path / "dinov2-base").mkdir()
    assert teacher_folder("dinov2-base") == tmp_path / "dinov2-base"
    monkeypatch.chdir(tmp_path)
    assert teacher_folder("dinov2-base").as_posix() == "dinov2-base"


def test_an_absent_teacher_is_named_with_hub_size_terms_and_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINDEYE_NETWORKS", raising=False)
    with pytest.raises(FileNotFoundError) as caught:
        teacher_folder("dinov2-base")
    for part in (
        "no folder of networks is named (MINDEYE_NETWORKS)",
        "timm/vit_base_patch14_reg4_dinov2.lvd142m (346 MB, Apache-2.0)",
        "`python data_scripts/map_teachers.py dinov2-base --out NETWORKS`",
    ):
        assert part in str(caught.value)
    monkeypatch.setenv("MINDEYE_NETWORKS", str(tmp_path / "nets"))
    with pytest.raises(FileNotFoundError, match=r"no \S+nets/vicregl-xl\. .*6,600 MB, CC BY-NC"):
        teacher_folder("vicregl-xl")
