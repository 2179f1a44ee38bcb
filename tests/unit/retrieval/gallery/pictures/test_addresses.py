"""To which addresses a downloader connects, whatever a name leads to."""

import socket

import pytest

from mindeye.retrieval.gallery.pictures import addresses
from mindeye.retrieval.gallery.pictures.addresses import (
    ClosedHostError,
    checked_url,
    connection_to,
    open_address,
)


@pytest.fixture
def leads_to(monkeypatch):
    """Lets every name lead to these addresses; gives the names that were looked up."""

    def change(*found: str) -> list[str]:
        asked = []

        def looked_up(host, port, *given, **more):
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        monkeypatch.setattr(addresses.socket, "getaddrinfo", looked_up)
        return asked

    return change


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "224.0.0.1", "ff02::1", "fe80::1%eth0"],
)
def test_an_own_address_is_closed_however_it_is_written(address, leads_to):
    leads_to(address)
    with pytest.raises(ClosedHostError, match="an address of the own machine or network"):
        open_address("name.example", 80, private=False)
    assert open_address("name.example", 80, private=True)


def test_one_own_address_among_several_closes_a_name(leads_to):
    leads_to("1.1.1.1", "10.0.0.1")
    with pytest.raises(ClosedHostError, match=r"name\.example is 10\.0\.0\.1, an address"):
        open_address("name.example", 80, private=False)
    leads_to("1.1.1.1", "1.0.0.1")
    assert open_address("name.example", 80, private=False) == "1.1.1.1"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_is_looked_up_once_and_connected_to_as_it_was_checked(scheme, leads_to, monkeypatch):
    asked, connected = leads_to("1.1.1.1"), []

    def connect(address, *rest, **more):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(addresses.socket, "create_connection", connect)
    parts = checked_url(f"{scheme}://name.example:8080/a.png")
    connection = connection_to(parts, seconds=1.0, private=False)
    with pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/a.png")
    assert asked == ["name.example"]
    assert connected == [("1.1.1.1", 8080)]
    assert connection.host == "name.example"


@pytest.mark.parametrize("url", ["http://a/\x7f", "http://a/\u00e4", "http://a\u3002b/"])
def test_a_url_of_other_letters_is_refused(url):
    with pytest.raises(ClosedHostError, match="characters or a port"):
        checked_url(url)
