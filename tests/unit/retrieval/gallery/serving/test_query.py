"""Queries that are understood, and hostile ones that are refused in a sentence."""

import base64
import json

import numpy as np
import pytest

from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.query import read_json, read_query
from mindeye.retrieval.gallery.serving.refusal import QueryError

WIDTH = 3


def query_of(**fields):
    content = {"text": "a dog"} | fields
    return read_query(content, name="scenes", width=WIDTH, limits=ServeLimits(max_k=50))


def refused(**fields) -> str:
    with pytest.raises(QueryError) as caught:
        query_of(**fields)
    return str(caught.value)


def test_what_clip_client_sends_is_understood():
    # As clip_retrieval.clip_client.ClipClient fills it in by default.
    query = query_of(
        image=None,
        image_url=None,
        embedding_input=None,
        deduplicate=True,
        use_safety_model=True,
        use_violence_detector=True,
        indice_name="scenes",
        use_mclip=False,
        aesthetic_score=9,
        aesthetic_weight=0.5,
        modality="image",
        num_images=40,
        num_result_ids=40,
        verbose=False,
    )
    assert (query.text, query.num_images, query.num_results) == ("a dog", 40, 40)
    assert query.deduplicate


def test_an_embedding_comes_to_unit_length_however_long_it_is():
    for scale in (1.0, 1e200, 1e-200):
        vector = query_of(
            text=None, embedding_input=[3 * scale, 0, -4 * scale], num_images=1
        ).vector
        np.testing.assert_allclose(vector, [0.6, 0, -0.8], rtol=1e-6)


def test_a_picture_comes_as_base64_with_or_without_the_browsers_prefix():
    text = base64.b64encode(b"bytes").decode()
    for image in (text, f"data:image/png;base64,{text}"):
        assert query_of(text=None, image=image, num_images=1).image == b"bytes"
    assert "base64" in refused(text=None, image="not base64!")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_url": "http://169.254.169.254/"}, "Give one of"),
        ({"text": None, "image_url": "http://169.254.169.254/"}, "not fetched"),
        ({"text": None}, "Give one of"),
        ({"text": ""}, "Give one of"),
        ({"text": {"a": 1}}, "must be a string"),
        ({"text": " \n"}, "text is blank"),
        ({"text": "x" * 2001}, "2001 characters"),
        ({"modality": "text"}, "no index of texts"),
        ({"use_mclip": True}, "use_mclip"),
        ({"indice_name": "laion5B"}, "`scenes`"),
        ({"indice_name": ["scenes"]}, "`scenes`"),
        ({"deduplicate": "yes"}, "true or false"),
        ({"num_images": 51}, "num_images is 51. Choose from 1 to 50"),
        ({"num_result_ids": 10**30, "num_images": 5}, "num_result_ids is too large"),
        ({"num_images": -1}, "is -1"),
        ({"num_images": 0}, "num_images is 0"),
        ({"num_result_ids": 0}, "num_result_ids is 0"),
        ({"num_images": 2.5}, "whole number"),
        ({"num_images": "40"}, "whole number"),
        ({"num_images": True}, "whole number"),
        ({"text": None, "row": "../../etc/passwd"}, "whole number"),
        ({"text": None, "image": 7}, "base64"),
        ({"text": None, "image": "Ynl0!ZXM="}, "base64"),
        ({"text": None, "embedding_input": [1, 2]}, "has 2 numbers, .* 3"),
        ({"text": None, "embedding_input": "123"}, "list of numbers"),
        ({"text": None, "embedding_input": [1, "2", 3]}, "list of numbers"),
        ({"text": None, "embedding_input": [True, 1, 2]}, "list of numbers"),
        ({"text": None, "embedding_input": [[1], [2], [3]]}, "list of numbers"),
        ({"text": None, "embedding_input": [0, 0, 0.0]}, "not all zero"),
        ({"text": None, "embedding_input": [1e999, 0, 0]}, "finite"),
        ({"text": None, "embedding_input": [10**400, 0, 0]}, "too large"),
    ],
)
def test_a_query_that_cannot_be_served_is_refused(fields, message):
    import re

    assert re.search(message, refused(**({"num_images": 4} | fields)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not an object"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'{"embedding_input": [NaN, 1, 2]}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"num_images": ' + b"9" * 10_000 + b"}", "not JSON"),
    ],
)
def test_a_body_that_is_no_object_of_json_is_refused(body, message):
    with pytest.raises(QueryError, match=message):
        read_json(body)


def test_no_number_given_is_as_many_as_clip_retrieval_gives():
    query = read_query(
        json.loads('{"text": "x"}'), name="n", width=WIDTH, limits=ServeLimits(max_k=100)
    )
    assert (query.num_images, query.num_results, query.deduplicate) == (100, 100, False)
    # Or as many as this server gives.
    assert query_of().num_images == 50


def test_as_much_as_is_allowed_is_allowed():
    query = query_of(text="x" * 2000, num_images=50)
    assert (len(query.text), query.num_images) == (2000, 50)
