import argparse

import pytest

from mindeye.verbs.gallery.engine_options import add_engine, engine_of


def chosen(*arguments: str, builds: bool = False):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_engine(parser, builds=builds)
    return engine_of(parser.parse_args(arguments))


def test_without_options_the_gallery_is_searched_on_this_machine():
    assert chosen().engine == "faiss"


def test_options_of_milvus_reach_its_settings_and_the_token_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", "root:secret")
    server = ("--engine", "milvus", "--uri", "http://host:19530", "--collection", "laion")
    kind = ("--index-type", "IVF_RABITQ")
    choice = chosen(*server, *kind, "--index-parameters", '{"nlist": 4096}', builds=True)
    assert choice.token == "root:secret"
    assert choice.settings == {
        "collection": "laion",
        "index": "IVF_RABITQ",
        "parameters": {"nlist": 4096},
    }
    choice = chosen(*server, "--search-parameters", '{"nprobe": 64}')
    assert choice.settings == {"collection": "laion", "search": {"nprobe": 64}}


def test_what_would_change_nothing_is_no_option():
    for name, builds in (("--search-parameters", True), ("--index-parameters", False)):
        with pytest.raises(SystemExit):
            chosen(name, "{}", builds=builds)


def test_options_of_milvus_without_it_are_refused():
    with pytest.raises(ValueError, match="are of Milvus"):
        chosen("--collection", "laion")


@pytest.mark.parametrize("text", ["nlist=3", "[1]", "{"])
def test_parameters_that_are_no_json_object_are_refused(text):
    with pytest.raises(argparse.ArgumentError, match="JSON"):
        chosen("--engine", "milvus", "--uri", "x.db", "--search-parameters", text)
