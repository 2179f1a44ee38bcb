import pytest

from mindeye.retrieval.gallery.engine_choice import EngineChoice


def test_an_unknown_engine_is_refused_with_those_that_exist():
    with pytest.raises(LookupError, match=r"`annoy`. Choose one of faiss, milvus"):
        EngineChoice(engine="annoy")


@pytest.mark.parametrize("given", [{"engine": "milvus"}, {"uri": "x.db"}])
def test_milvus_and_its_address_are_given_together(given):
    with pytest.raises(ValueError, match="--engine milvus and --uri together"):
        EngineChoice(**given)


def test_without_the_extra_milvus_is_refused_with_what_to_install(monkeypatch):
    from mindeye.retrieval.gallery import open_engine

    monkeypatch.setattr(open_engine, "find_spec", lambda name: None)
    with pytest.raises(LookupError, match=r"pip install 'mindeye\[milvus\]'"):
        open_engine.require_milvus()
