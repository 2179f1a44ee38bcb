"""nsdsynthetic and nsdimagery from a tree to a folder that only tests."""

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.transfer.prepare import prepare_transfer
from mindeye.files import read_json


def prepared_by(tree, out, **settings) -> PreparedSubject:
    return PreparedSubject(prepare_transfer(tree.root, subject=1, out=out, **settings))


def zscored(values: np.ndarray) -> np.ndarray:
    """Of each column, by the definition with n - 1."""
    centred = values - values.sum(0) / len(values)
    return centred / np.sqrt((centred**2).sum(0) / (len(values) - 1))


def test_synthetic_scans_are_the_trials_in_the_order_shown(shared_transfer_tree, tmp_path):
    tree = shared_transfer_tree
    prepared = prepared_by(tree, tmp_path / "a", protocol="nsd-synthetic")
    shown = [row for row, number in enumerate(tree.order) if number not in (3, 250)]
    table = prepared.table("test")
    assert table.trials.tolist() == shown
    assert table.image_ids.tolist() == [
        (1_000_000 if tree.order[row] < 220 else 1_001_000) + tree.order[row] for row in shown
    ]
    assert table.runs.tolist() == [1 + row // 93 for row in shown]
    expected = zscored(tree.percent("nsdsynthetic"))[shown]
    np.testing.assert_allclose(table.betas, expected, atol=2e-3)
    assert prepared.is_test_only
    for split in ("train", "validation"):
        assert len(prepared.table(split).trials) == len(prepared.repeats(split).image_ids) == 0


def test_every_repeat_of_a_picture_counts_in_its_mean(shared_transfer_tree, tmp_path):
    tree = shared_transfer_tree
    prepared = prepared_by(tree, tmp_path / "a", protocol="nsd-synthetic", zscore="none")
    repeats = prepared.repeats("test")
    counts = np.bincount(tree.order)
    assert set(counts) == {2, 4, 8, 10}
    assert repeats.betas.shape[1] == 10
    numbers = [number for number in range(284) if number not in (3, 250)]
    assert repeats.present.sum(1).tolist() == counts[numbers].tolist()
    percent = tree.percent("nsdsynthetic")
    means = np.array([percent[tree.order == number].mean(0) for number in numbers])
    np.testing.assert_allclose(repeats.mean().numpy(), means, atol=5e-3)


def test_a_screen_becomes_its_middle_square_in_ordinary_brightness(shared_transfer_tree, tmp_path):
    """The witness samples pixel areas: 18 pixels shrink to 12 by a triangle 1.5 wide."""
    tree = shared_transfer_tree
    prepared = prepared_by(tree, tmp_path / "a", protocol="nsd-synthetic")
    assert prepared.images.shape == (282, 12, 12, 3)
    middle = 255 * np.sqrt(tree.screens[:, :, 8:26].astype(np.float64) / 255)
    centres = (np.arange(12) + 0.5) * 1.5
    distance = np.abs(np.arange(18) + 0.5 - centres[:, None]) / 1.5
    weights = np.maximum(1 - distance, 0)
    weights /= weights.sum(1, keepdims=True)
    expected = np.einsum("ih,nhwc,jw->nijc", weights, middle, weights)
    rows = [number for number in range(284) if number not in (3, 250)]
    np.testing.assert_allclose(prepared.images, expected[rows], atol=1.6)
    assert "square root" in prepared.manifest["pictures"]


def test_pictures_without_anything_in_the_square_are_left_out_by_name(transfer_tree, tmp_path):
    table = transfer_tree.root / "nsddata/experiments/nsdsynthetic/nsdsyntheticimageinformation.csv"
    lines = [f"{number + 1},word_{number},1,words" for number in range(284)]
    table.write_text("\n".join(["Image number,Image,Image class number,Image class", *lines]))
    prepared = prepared_by(transfer_tree, tmp_path / "a", protocol="nsd-synthetic")
    assert [*prepared.manifest["left_out"].values()] == [["word_3", "word_250"]]
    names = [line.split("\t") for line in (tmp_path / "a/names.tsv").read_text().splitlines()]
    assert names[0] == ["image_id", "name", "nsd_image_id"]
    assert names[1:3] == [["1000000", "word_0", ""], ["1000001", "word_1", ""]]
    assert [int(row[0]) for row in names[1:]] == prepared.image_ids.tolist()
    table.write_text("Image number,Image\n1,word\n")
    with pytest.raises(ValueError, match="names 1 pictures in a column Image"):
        prepared_by(transfer_tree, tmp_path / "b", protocol="nsd-synthetic")


@pytest.mark.parametrize(
    ("task", "runs"),
    [("vision", ("visA", "visB")), ("imagery", ("imgA_1", "imgB_1", "imgA_2", "imgB_2"))],
)
def test_a_run_of_imagery_is_scaled_by_itself_and_named_by_what_was_seen(
    shared_transfer_tree, tmp_path, task, runs
):
    tree = shared_transfer_tree
    first = {"visA": 0, "imgA_1": 144, "visB": 192, "imgB_1": 336, "imgA_2": 576, "imgB_2": 624}
    percent, betas, ids = tree.percent("nsdimagery"), [], []
    letters = ["HRVLPE", "WKBCDT"]
    for run in runs:
        betas.append(zscored(percent[first[run] : first[run] + 48]))
        group = "AB".index(run[3])
        ids += [2_000_001 + 10 * group + letters[group].index(one) for one in tree.conditions[run]]
    prepared = prepared_by(tree, tmp_path / "a", protocol="nsd-imagery", task=task)
    table = prepared.table("test")
    assert table.image_ids.tolist() == ids
    np.testing.assert_allclose(table.betas, np.concatenate(betas), atol=2e-3)
    manifest = prepared.manifest
    assert (manifest["task"], manifest["transductive"]) == (task, ["zscore:run-all"])
    assert manifest["splits"]["test"] == {
        "shards": ["test-000000.tar"],
        "num_trials": 48 * len(runs),
        "num_images": 12,
    }
    assert prepared.repeats("test").present.sum(1).tolist() == [8 * len(runs) // 2] * 12


def test_targets_are_their_pictures_and_those_of_nsd_are_known(shared_transfer_tree, tmp_path):
    tree = shared_transfer_tree
    prepared = prepared_by(tree, tmp_path / "a", protocol="nsd-imagery")
    in_order = "HRVLPEWKBCDT"
    assert prepared.image_ids.tolist() == [
        *range(2_000_001, 2_000_007),
        *range(2_000_011, 2_000_017),
    ]
    np.testing.assert_array_equal(prepared.images, [tree.pictures[one] for one in in_order])
    assert [*prepared.manifest["stimuli"].values()] == [tree.files[one] for one in in_order]
    assert prepared.manifest["nsd_images"] == {
        str(2_000_011 + number): tree.twins[letter] for number, letter in enumerate("WKBCD")
    }
    assert [*prepared.manifest["left_out"].values()] == [
        ["attA", "attB", "visC", "attC", "imgC_1", "imgC_2"]
    ]


def test_all_of_the_session_may_scale_imagery_too(shared_transfer_tree, tmp_path):
    tree, chosen = shared_transfer_tree, {"protocol": "nsd-imagery", "zscore": "session-all"}
    prepared = prepared_by(tree, tmp_path / "a", **chosen)
    table = prepared.table("test")
    expected = zscored(tree.percent("nsdimagery"))[table.trials]
    np.testing.assert_allclose(table.betas, expected, atol=2e-3)
    assert prepared.manifest["transductive"] == ["zscore:session-all"]
    assert prepared.bundle.mean.shape == (1, prepared.num_voxels)


def test_its_voxels_are_those_of_the_main_experiment(shared_transfer_tree, prepared_path, tmp_path):
    main = PreparedSubject(prepared_path)
    for number, protocol in enumerate(("nsd-synthetic", "nsd-imagery")):
        prepared = prepared_by(shared_transfer_tree, tmp_path / str(number), protocol=protocol)
        prepared.bundle.check_same(main.bundle)
        assert prepared.bundle.voxel_hash == main.bundle.voxel_hash
        assert not set(prepared.image_ids.tolist()) & set(range(73_000))
        prepared.verify()


def test_both_forms_give_the_same_folder_which_is_made_once(transfer_tree, tmp_path):
    for protocol in ("nsd-synthetic", "nsd-imagery"):
        made = [
            prepared_by(
                transfer_tree,
                tmp_path / f"{protocol}-{source[:3]}",
                protocol=protocol,
                source=source,
            )
            for source in ("hdf5", "nii.gz")
        ]
        assert made[0].manifest == made[1].manifest
        before = (made[0].path / "manifest.json").stat().st_mtime_ns
        prepared_by(transfer_tree, made[0].path, protocol=protocol)
        assert (made[0].path / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="was prepared with protocol nsd-imagery, not nsd-synth"):
        prepared_by(transfer_tree, made[0].path, protocol="nsd-synthetic")
    with pytest.raises(ValueError, match="was prepared with task imagery, not vision"):
        prepared_by(transfer_tree, made[0].path, protocol="nsd-imagery", task="vision")
    conditions = transfer_tree.conditions["imgA_1"][::-1]
    transfer_tree.write_table("imgA_1", conditions, conditions)
    with pytest.raises(ValueError, match=r"from another tree .*nsdimagery_subj01_imgA_1.tsv"):
        prepared_by(transfer_tree, made[0].path, protocol="nsd-imagery")


def test_the_manifest_says_what_it_was_made_of(shared_transfer_tree, tmp_path):
    prepared_by(shared_transfer_tree, tmp_path / "a", protocol="nsd-imagery", task="vision")
    manifest = read_json(tmp_path / "a/manifest.json")
    sources = manifest["sources"]
    folder = "nsddata/experiments/nsdimagery/rawtargetimages"
    assert f"{folder}/setA/bar_0.png" in sources
    assert f"{folder}/setB/shared0000_nsd00000.png" in sources
    assert "nsddata/bdata/nsdimagery/nsdimagery_subj01_visB.tsv" in sources
    assert not [path for path in sources if "_img" in path or "_visC" in path]
    assert (manifest["dataset"], manifest["protocol"]) == ("nsdimagery", "nsd-imagery")
