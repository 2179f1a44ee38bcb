import io
import pickle
import tarfile

import numpy as np
import pytest
import webdataset

from mindeye.data.shards import ShardWriter, read_shards


def write(folder, betas, trials_per_shard=4):
    folder.mkdir(exist_ok=True)
    writer = ShardWriter(folder, "train", trials_per_shard)
    for trial, row in enumerate(betas):
        entry = {"image_id": 70000 + trial, "subject": 3, "session": 2, "run": 5}
        writer.write(row, **entry, trial=trial, repeat=trial % 3)
    writer.close()
    return [folder / name for name in writer.names]


@pytest.fixture
def betas():
    return np.random.default_rng(0).normal(size=(10, 6)).astype(np.float32)


def test_what_is_written_is_what_is_read(betas, tmp_path):
    paths = write(tmp_path, betas)
    assert [path.name for path in paths] == [f"train-00000{n}.tar" for n in range(3)]
    table = read_shards(paths, num_trials=10, num_voxels=6)
    np.testing.assert_array_equal(table.betas, betas.astype(np.float16))
    assert table.image_ids.tolist() == list(range(70000, 70010))
    assert table.trials.tolist() == list(range(10))
    assert table.repeats.tolist() == [trial % 3 for trial in range(10)]
    assert set(table.subjects) == {3}
    assert set(table.sessions) == {2}
    assert set(table.runs) == {5}


def test_the_same_trials_are_the_same_bytes(betas, tmp_path):
    first, second = write(tmp_path / "a", betas), write(tmp_path / "b", betas)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_bytes_are_those_of_webdatasets_own_writer(betas, tmp_path):
    path = write(tmp_path, betas, trials_per_shard=10)[0]
    with tarfile.open(path) as archive:
        names = archive.getnames()
        files = {name: archive.extractfile(name).read() for name in names}
    theirs = tmp_path / "theirs.tar"
    with webdataset.TarWriter(str(theirs), encoder=False, mtime=0, user="", group="") as writer:
        for key in dict.fromkeys(name.split(".")[0] for name in names):
            parts = {name: files[f"{key}.{name}"] for name in ("betas.npy", "json")}
            writer.write({"__key__": key, **parts})
    assert path.read_bytes() == theirs.read_bytes()


def test_a_trial_is_one_array_and_one_json(betas, tmp_path):
    with tarfile.open(write(tmp_path, betas)[0]) as archive:
        assert archive.getnames()[:2] == ["subj03-00000.betas.npy", "subj03-00000.json"]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75, 0.9])
def test_a_truncated_shard_is_refused(betas, tmp_path, share):
    paths = write(tmp_path, betas)
    content = paths[1].read_bytes()[: 4 * 2 * 1024]  # four trials of two members
    paths[1].write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"train-000001.tar"):
        read_shards(paths, num_trials=10, num_voxels=6)


def test_other_counts_than_promised_are_refused(betas, tmp_path):
    paths = write(tmp_path, betas)
    with pytest.raises(ValueError, match="hold 10 trials, but the manifest promises 11"):
        read_shards(paths, num_trials=11, num_voxels=6)
    with pytest.raises(ValueError, match="promises 9 trials of 6 voxels"):
        read_shards(paths, num_trials=9, num_voxels=6)
    with pytest.raises(ValueError, match="promises 10 trials of 5 voxels"):
        read_shards(paths, num_trials=10, num_voxels=5)


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-000000.tar is missing"):
        read_shards([tmp_path / "train-000000.tar"], num_trials=1, num_voxels=1)


class Explosive:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_a_pickle_in_an_array_s_place_is_refused(tmp_path):
    array = io.BytesIO()
    np.lib.format.write_array(array, np.array([Explosive()], dtype=object), allow_pickle=True)
    path = tmp_path / "train-000000.tar"
    parts = {"a.betas.npy": array.getvalue(), "a.pkl": pickle.dumps(Explosive()), "a.json": b"{}"}
    with tarfile.open(path, "w") as archive:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_shards([path], num_trials=1, num_voxels=1)
