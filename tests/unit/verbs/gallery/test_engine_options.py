import argparse

import pytest

from mindeye.verbs.gallery.engine_options import add_engine, engine_of


def chosen(*arguments: str):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_engine(parser, builds=True)
    return engine_of(parser.parse_args(arguments))


def test_without_options_the_gallery_is_searched_on_this_machine():
    assert chosen().engine == "faiss"


def test_options_of_milvus_reach_its_settings_and_the_token_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", "root:secret")
    choice = chosen(
        *("--engine", "milvus", "--uri", "http://host:19530", "--index-type", "IVF_RABITQ"),
        *("--index-parameters", '{"nlist": 4096}', "--search-parameters", '{"nprobe": 64}'),
        *("--collection", "laion"),
    )
    assert choice.token == "root:secret"
    assert choice.settings == {
        "collection": "laion",
        "index": "IVF_RABITQ",
        "parameters": {"nlist": 4096},
        "search": {"nprobe": 64},
    }


def test_options_of_milvus_without_it_are_refused():
    with pytest.raises(ValueError, match="are of Milvus"):
        chosen("--collection", "laion")


@pytest.mark.parametrize("text", ["nlist=3", "[1]", "{"])
def test_parameters_that_are_no_json_object_are_refused(text):
    with pytest.raises(argparse.ArgumentError, match="JSON"):
        chosen("--engine", "milvus", "--uri", "x.db", "--search-parameters", text)
