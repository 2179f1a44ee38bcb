"""`gallery build --engine ray`: the bytes of a local build, whoever dies on the way."""

import os
import signal

import pytest

from mindeye.cli import main
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.verbs.gallery import build_ray


@pytest.fixture
def laion(tmp_path, files):
    """Three shards."""
    write_laion_shards(tmp_path / "laion", 70, per_shard=30, vectors=files.vectors)
    return tmp_path / "laion"


@pytest.fixture
def with_ray():
    """The name of what gives a test Ray."""
    pytest.importorskip("ray", reason="needs the extra `ray`: pip install 'mindeye[ray]'")
    return ("--engine", "ray")


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["gallery", "build", *map(str, arguments)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.split("mindeye: ")[1]


def test_shards_whose_workers_die_are_tried_again_and_the_bytes_are_those_of_a_local_build(
    laion, with_ray, tmp_path, contents, monkeypatch
):
    dead = tmp_path / "dead"
    dead.mkdir()

    def dying(given, number, listing):
        from mindeye.verbs.gallery.build_ray import build_one  # as the worker knows it

        if number != 1 and not (dead / str(number)).exists():
            (dead / str(number)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return build_one(given, number, listing)

    monkeypatch.setattr(build_ray, "build_one", dying)
    main(["gallery", "build", str(laion), "--out", str(tmp_path / "ray"), *with_ray])
    main(["gallery", "build", str(laion), "--out", str(tmp_path / "local")])
    assert sorted(one.name for one in dead.iterdir()) == ["0", "2"]
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_a_shard_that_kills_every_worker_is_named_and_whole_ones_stay(
    laion, with_ray, tmp_path, contents, monkeypatch, capsys
):
    def deadly(given, number, listing):
        from mindeye.verbs.gallery.build_ray import build_one

        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return build_one(given, number, listing)

    out = tmp_path / "ray"
    monkeypatch.setattr(build_ray, "build_one", deadly)
    message = refused(capsys, laion, "--out", out, *with_ray, "--ray-tasks", 1)
    assert "Shard img_emb_0002 was given up after 3 workers died" in message
    whole = sorted(path.name for path in (out / "building").glob("0*.json"))
    assert whole == ["00000-img_emb_0000.json", "00001-img_emb_0001.json"]
    # Without Ray: both engines go on with what the other has left.
    main(["gallery", "build", str(laion), "--out", str(out)])
    main(["gallery", "build", str(laion), "--out", str(tmp_path / "local")])
    assert contents(out) == contents(tmp_path / "local")


def test_what_a_task_refuses_is_told_as_without_ray(laion, with_ray, tmp_path, capsys):
    path = laion / "img_emb" / "img_emb_0001.npy"
    path.write_bytes(path.read_bytes()[:-20])
    local = refused(capsys, laion, "--out", tmp_path / "local")
    assert "img_emb_0001.npy" in local
    assert refused(capsys, laion, "--out", tmp_path / "ray", *with_ray) == local


def test_a_cluster_that_is_not_there_is_named(laion, with_ray, tmp_path, capsys):
    # Port 1 is of no service; Ray alone would ask it for minutes.
    address = ("--ray-address", "127.0.0.1:1")
    message = refused(capsys, laion, "--out", tmp_path / "out", *with_ray, *address)
    assert "No Ray cluster answers at 127.0.0.1:1" in message
    assert not (tmp_path / "out" / "gallery.json").exists()


def test_files_that_are_others_where_a_task_runs_and_devices_that_are_none_are_refused(
    laion, tmp_path
):
    given = {"source": laion, "out": tmp_path / "out", "device": "cpu", "form": None}
    given |= dict.fromkeys(
        ("licence", "clip", "network", "shard_index", "num_shards", "max_skipped", "tokens")
    )
    given |= dict.fromkeys(
        ("max_pixels", "batch_size", "workers", "normalise", "drop_broken", "quick")
    )
    with pytest.raises(ValueError, match="holds other files where a task ran"):
        build_ray.build_one(tuple(given.items()), 1, "of another file")
    # A cluster's first machine does not know which devices there are where tasks run.
    with pytest.raises(LookupError, match="cudaa"):
        build_ray.build_one(tuple({**given, "device": "cudaa"}.items()), 1, "of another file")


def test_a_missing_extra_is_named_with_what_does_without(laion, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build_ray, "find_spec", lambda name: None)
    message = refused(capsys, laion, "--out", tmp_path / "out", "--engine", "ray", "--dry-run")
    assert "pip install 'mindeye[ray]'" in message
    assert "--shard-index" in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--ray-tasks", "3"), "are of Ray. Add --engine ray"),
        (("--engine", "ray", "--shard-index", "0", "--num-shards", "2"), "divides the shards"),
        (("--engine", "ray", "--ray-tasks", "0"), "--ray-tasks 0 builds nothing"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    given, message, laion, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(build_ray, "find_spec", lambda name: name)
    assert message in refused(capsys, laion, "--out", tmp_path / "out", *given)


def test_a_plan_says_how_many_shards_are_built_at_once(laion, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build_ray, "find_spec", lambda name: name)
    out = tmp_path / "out"
    main(["gallery", "build", str(laion), "--out", str(out), "--engine", "ray", "--dry-run"])
    assert "Ray would build 2 shards at once on this machine" in capsys.readouterr().out
    assert not out.exists()
