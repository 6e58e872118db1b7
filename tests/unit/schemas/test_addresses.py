"""Addresses that settings give: what is refused, what is taken, and what of them is shown."""

import pytest

from schemas.settings.load import SettingsError, inspect, load


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("bootstrap", "a b:9092", "'a b:9092' is not host:port"),
        ("bootstrap", "kafka/x:9092", "'kafka/x:9092' is not host:port"),
        ("bootstrap", "a..b:9092", "'a..b:9092' is not host:port"),
        ("bootstrap", f"{'a' * 64}.example:9092", "is not host:port"),
        ("metrics_host", "", "it should be an address or a name, such as 127.0.0.1, ::1 or, for all, 0.0.0.0"),
        ("api_host", " ", "it should be an address or a name"),
        ("api_host", "127.0.0.1:8090", "it should be an address or a name"),
        ("api_hosts", "page.example, *", "'*' is no host's name; leave out scheme and port"),
        ("api_hosts", "page.example:8090", "'page.example:8090' is no host's name"),
        ("slates_url", "localhost:6379", "it should be of the form redis://host:port/db"),
        ("slates_url", "http://localhost:6379", "it should be of the form redis://host:port/db"),
        ("slates_url", "redis://:pass@h:99999", "cannot be 'redis://**********@h:99999': it should be of the form"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_once(key: str, value: str, said: str):
    with pytest.raises(SettingsError) as caught:
        load({}, {f"FRESHET_{key.upper()}": value}, None)
    assert said in str(caught.value)


def test_a_password_in_an_address_is_not_shown():
    found = inspect({}, {"FRESHET_SLATES_URL": "redis://ana:swordfish@store:6379/0"}, None)
    assert found.settings.slates_url == "redis://ana:swordfish@store:6379/0"
    assert found.shown()["slates_url"]["value"] == "redis://**********@store:6379/0"


ALL = "0.0.0.0"  # noqa: S104  # only read


@pytest.mark.parametrize("host", ["127.0.0.1", ALL, "::", "[::1]", "fe80::1%lo", "localhost", "a.example."])
def test_every_form_of_an_address_that_is_listened_on_is_taken(host: str):
    hosts = {"FRESHET_METRICS_HOST": host, "FRESHET_API_HOST": host, "FRESHET_API_HOSTS": f"b.example,{host}"}
    assert load({}, hosts, None).settings.metrics_host == host
