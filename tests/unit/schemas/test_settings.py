"""Settings: who wins, where a value came from, and what is said about one that cannot be used."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.settings.load import RENAMED, SettingsError, inspect, load, settings_file
from schemas.settings.model import Settings
from schemas.topics import TOPICS


def written(folder: Path, text: str) -> Path:
    file = folder / "freshet.toml"
    file.write_text(text)
    return file


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path):
    file = written(tmp_path, 'prefix = "file."\npartitions = 2\nseed = 2\n')
    environ = {"FRESHET_PARTITIONS": "3", "FRESHET_SEED": "3"}
    loaded = load({"seed": 4, "prefix": None}, environ, file)
    settings = loaded.settings
    assert (settings.replication, settings.prefix, settings.partitions, settings.seed) == (1, "file.", 3, 4)
    keys = ("replication", "prefix", "partitions", "seed")
    assert [loaded.sources[key] for key in keys] == ["default", "file", "environment", "flag"]


def test_the_process_environment_is_not_read_behind_the_callers_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_PARTITIONS", "9")
    monkeypatch.setenv("PARTITIONS", "9")
    assert load({}, {}, None).settings.partitions == 4
    assert Settings().partitions == 4


def test_an_unknown_variable_is_an_error_that_names_the_nearest_setting():
    with pytest.raises(SettingsError, match=r"FRESHET_PARTITONS .* nearest one is FRESHET_PARTITIONS"):
        load({}, {"FRESHET_PARTITONS": "3"}, None)


def test_an_unknown_key_of_the_file_is_an_error_that_names_file_and_nearest_setting(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"freshet\.toml: slate_sise is no setting; the nearest is slate_size"):
        load({}, {}, written(tmp_path, "slate_sise = 3"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("partitions", "0", "FRESHET_PARTITIONS cannot be '0': it should be greater than or equal to 1"),
        ("bootstrap", "localhost", "FRESHET_BOOTSTRAP cannot be 'localhost': 'localhost' is not host:port"),
        ("bootstrap", "a:1,b:99999", "'b:99999' is not host:port"),
        ("bootstrap", "http://localhost:9092", "'http://localhost:9092' is not host:port; leave out http://"),
        ("bootstrap", "PLAINTEXT://kafka:9092", "leave out PLAINTEXT://"),
        ("bootstrap", "::1:9092", "'::1:9092' is not host:port"),
        ("bootstrap", "kafka:9092,", "'' is not host:port"),
        ("bootstrap", "bücher.example:9092", "is not host:port"),
        ("poll_records", "1000001", "it should be less than or equal to 1000000"),
        ("media_s", "1e308", "it should be less than or equal to 86400"),
        ("qdrant_timeout_s", "1e308", "it should be less than or equal to 86400"),
        (
            "qdrant_url",
            "localhost:6333",
            "FRESHET_QDRANT_URL cannot be 'localhost:6333': it has no scheme; write http://",
        ),
        ("qdrant_collection", "my videos", "a collection's name has ASCII letters"),
        ("qdrant_collection", "", "a collection's name has ASCII letters"),
        ("qdrant_url", "qdrant://localhost:6333", "it is not of the form http://host:port"),
        ("qdrant_url", "http://:6333", "it is not of the form http://host:port"),
        ("qdrant_url", "http://localhost:99999", "it is not of the form http://host:port"),
        ("qdrant_url", "http://localhost:6333?x=1", "it is not of the form http://host:port"),
        ("prefix", "ü.", "a topic's name has ASCII letters, digits, '.', '_' and '-' alone"),
        ("prefix", "x" * 249, "it has 249 characters, 200 are the most"),
        ("data_dir", "", "it is empty; leave it out for the default, or name a folder"),
        ("data_dir", __file__, "it is a file, not a folder"),
        ("data_dir", "x" * 5000, "File name too long"),
        ("cache_dir", "x" * 300, "File name too long"),
        ("media_root", "x" * 300, "File name too long"),
        ("kafka_ca", "x" * 300, "File name too long"),
        ("stuck_s", "nan", "it should be a finite number"),
        ("media_s", "inf", "it should be a finite number"),
        ("partitions", "99999999999", "it should be less than or equal to"),
        ("seed", "9" * 40, "it should be less than or equal to"),
        ("provider", "tpu", "FRESHET_PROVIDER cannot be 'tpu': it should be 'auto', 'cpu' or 'cuda'"),
        ("prefix", "a b", "FRESHET_PREFIX cannot be 'a b'"),
        (
            "media_hosts",
            "a.example,10.0.0.7",
            "FRESHET_MEDIA_HOSTS cannot be 'a.example,10.0.0.7': '10.0.0.7' is no host",
        ),
        ("media_root", "/nowhere/at/all", "FRESHET_MEDIA_ROOT cannot be '/nowhere/at/all': there is no such folder"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place_and_the_need(key: str, value: str, said: str):
    with pytest.raises(SettingsError) as caught:
        load({}, {f"FRESHET_{key.upper()}": value}, None)
    assert said in str(caught.value)


@pytest.mark.parametrize("bootstrap", ["localhost:9092", "a:1, b_c.example:2", "127.0.0.1:1", "[::1]:9092,[fe80::1]:2"])
def test_every_form_of_an_address_that_kafka_has_is_taken(bootstrap: str):
    assert load({}, {"FRESHET_BOOTSTRAP": bootstrap}, None).settings.bootstrap == bootstrap


@pytest.mark.parametrize(
    "url", ["http://localhost:6333", "https://qdrant.example", "http://[::1]:6333", "http://q:1/x/"]
)
def test_every_form_of_a_servers_address_is_taken(url: str):
    assert load({}, {"FRESHET_QDRANT_URL": url}, None).settings.qdrant_url == url


def test_a_qdrant_key_that_everybody_could_read_is_refused_at_once():
    key = {"FRESHET_QDRANT_API_KEY": "swordfish"}
    for url in ("https://qdrant.example", "http://127.0.0.1:6333", ""):
        assert load({}, key | {"FRESHET_QDRANT_URL": url}, None)
    with pytest.raises(SettingsError, match=r"http://qdrant\.example would carry the API key in the clear") as caught:
        load({}, key | {"FRESHET_QDRANT_URL": "http://qdrant.example:6333"}, None)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"READ_KEY": "swordfish"},
            "would carry the API key in the clear; use https, or leave FRESHET_QDRANT_READ_KEY empty",
        ),
        ({"CA": __file__}, "FRESHET_QDRANT_CA is set and FRESHET_QDRANT_URL is not https"),
        (
            {"REPLICAS": "2", "WRITE_CONSISTENCY": "3"},
            "FRESHET_QDRANT_WRITE_CONSISTENCY=3 copies cannot have a write where FRESHET_QDRANT_REPLICAS is 2",
        ),
    ],
)
def test_settings_of_qdrant_that_contradict_each_other_are_one_sentence(given: dict[str, str], said: str):
    environ = {f"FRESHET_QDRANT_{name}": value for name, value in given.items()}
    with pytest.raises(SettingsError) as caught:
        load({}, environ | {"FRESHET_QDRANT_URL": "http://qdrant.example:6333"}, None)
    assert said in str(caught.value) and "swordfish" not in str(caught.value)
    assert load({}, environ, None)  # without a server they say nothing


def test_the_longest_prefix_makes_topic_names_that_kafka_takes():
    prefix = load({}, {"FRESHET_PREFIX": "x" * 200}, None).settings.prefix
    assert max(len(topic.full(prefix)) for topic in TOPICS) <= 249


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partitions = true", "partitions in .* cannot be 'true'"),
        ("partitions = 4.5", "partitions in .* cannot be 4.5"),
        ("prefix = 5", "prefix in .* cannot be 5: it should be a valid string"),
        ("data_dir = 5", "data_dir in .* cannot be 5"),
        ("partitions = [4]", r"partitions in .* cannot be \[4\]"),
        ("[kafka]\nuser = 1", "kafka is no setting; the nearest is kafka_"),
        ("partitions = 4\npartitions = 5", "is not TOML: Cannot overwrite a value"),
        ("partitions = 2026-01-01", "partitions in .* cannot be"),
        ("nudity = 3", "nudity in .* cannot be 3"),
    ],
)
def test_a_wrong_type_an_unknown_key_and_a_key_given_twice_are_named(tmp_path: Path, text: str, said: str):
    with pytest.raises(SettingsError, match=said):
        load({}, {}, written(tmp_path, text))


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path: Path):
    assert load({}, {}, written(tmp_path, "\ufeffpartitions = 9\n")).settings.partitions == 9


def test_a_secrets_file_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "key").write_text("swordfish")
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory"), (tmp_path / "empty", "empty")):
        with pytest.raises(SettingsError, match=f"FRESHET_QDRANT_API_KEY_FILE: .*{why}"):
            load({}, {"FRESHET_QDRANT_API_KEY_FILE": str(path)}, None)
    both = {"FRESHET_QDRANT_API_KEY_FILE": str(tmp_path / "key"), "FRESHET_QDRANT_API_KEY": "trout"}
    with pytest.raises(
        SettingsError, match="FRESHET_QDRANT_API_KEY and FRESHET_QDRANT_API_KEY_FILE are both given"
    ) as e:
        load({}, both, None)
    assert not {"trout", "swordfish"} & set(str(e.value).split())


def test_everything_that_is_wrong_is_found_at_once_and_the_rest_is_shown(tmp_path: Path):
    environ = {"FRESHET_BOOTSTRAPS": "k:1", "FRESHET_SEED": "x", "FRESHET_KAFKA_PASSWORD_FILE": "/nowhere"}
    found = inspect(
        {"partitions": 0}, environ, written(tmp_path, 'prefix = "mine."\nkafka_password = 747474\nslate = 3')
    )
    wrong = {"FRESHET_BOOTSTRAPS", "FRESHET_KAFKA_PASSWORD_FILE", "seed", "partitions", "slate", "kafka_password"}
    assert found.faults.keys() == wrong
    shown = found.shown()
    assert {key for key, one in shown.items() if "fault" in one} == wrong
    assert (shown["prefix"], shown["seed"]["value"]) == ({"value": "mine.", "source": "file"}, "x")
    assert "FRESHET_BOOTSTRAP." in str(shown["FRESHET_BOOTSTRAPS"]["fault"])
    assert "747474" not in str(shown) + repr(found)
    with pytest.raises(SettingsError, match=r"5 more are wrong\.$"):
        load({"partitions": 0}, environ, tmp_path / "freshet.toml")


def test_settings_that_contradict_each_other_are_marked_and_their_secrets_stay_hidden():
    found = inspect({}, {"FRESHET_KAFKA_USER": "ana", "FRESHET_KAFKA_PASSWORD": "trout"}, None)
    (fault,) = found.faults.values()
    assert "makes no use of it" in fault
    assert found.faults.keys() <= {"kafka_user", "kafka_security"}
    assert "trout" not in str(found.shown()) + repr(found)


def test_a_user_without_a_home_folder_names_the_folders(monkeypatch: pytest.MonkeyPatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(SettingsError, match="Set FRESHET_DATA_DIR and FRESHET_CACHE_DIR"):
        load({}, {}, None)
    assert load({}, {"FRESHET_DATA_DIR": "/d", "FRESHET_CACHE_DIR": "/c"}, None).settings.data_dir == Path("/d")


def test_a_bad_value_is_looked_for_where_it_was_given(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"^--broker-wait-s cannot be -1"):
        load({"broker_wait_s": -1}, {"FRESHET_BROKER_WAIT_S": "5"}, None)
    with pytest.raises(SettingsError, match=r"^seed in .*freshet\.toml cannot be 'x'"):
        load({}, {}, written(tmp_path, 'seed = "x"'))


def test_a_broken_or_absent_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"freshet\.toml is not TOML"):
        load({}, {}, written(tmp_path, "partitions: 4"))
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read \(No such file"):
        load({}, {}, tmp_path / "none.toml")


def test_a_secret_is_never_shown(tmp_path: Path):
    loaded = load({}, {"FRESHET_QDRANT_API_KEY": "swordfish"}, None)
    assert loaded.settings.qdrant_api_key.get_secret_value() == "swordfish"
    assert "swordfish" not in repr(loaded) + str(loaded.shown())
    assert loaded.shown()["qdrant_api_key"] == {"value": "**********", "source": "environment"}
    with pytest.raises(SettingsError) as caught:
        load({}, {}, written(tmp_path, "qdrant_api_key = 747474"))
    assert "747474" not in str(caught.value)


def test_a_secret_may_come_from_a_file_of_its_own(tmp_path: Path):
    (tmp_path / "key").write_text("swordfish\n")
    loaded = load({}, {"FRESHET_QDRANT_API_KEY_FILE": str(tmp_path / "key")}, None)
    assert loaded.settings.qdrant_api_key.get_secret_value() == "swordfish"


def test_folders_follow_the_xdg_variables_and_relative_ones_are_ignored(tmp_path: Path):
    environ = {"XDG_DATA_HOME": str(tmp_path), "XDG_CACHE_HOME": "here"}
    settings = load({}, environ, None).settings
    assert settings.data_dir == tmp_path / "freshet"
    assert settings.cache_dir == Path.home() / ".cache/freshet"
    assert load({}, {**environ, "FRESHET_DATA_DIR": "~/f"}, None).settings.data_dir == Path.home() / "f"


def test_the_file_is_the_named_one_or_the_one_in_the_folder(tmp_path: Path):
    assert settings_file({}, tmp_path) is None
    file = written(tmp_path, "")
    assert settings_file({}, tmp_path) == file
    assert settings_file({"FRESHET_CONFIG": "/etc/f.toml"}, tmp_path) == Path("/etc/f.toml")


def test_settings_do_not_change_once_made():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().partitions = 8


def test_every_setting_says_what_it_is():
    assert [key for key, field in Settings.model_fields.items() if not field.description] == []


def test_a_former_name_is_understood_with_a_notice_that_names_both(tmp_path: Path):
    loaded = load({}, {"FRESHET_LETTERS_ALARM": "0.5"}, None)
    assert loaded.settings.dead_letter_alarm_ratio == 0.5
    assert loaded.sources["dead_letter_alarm_ratio"] == "environment" and "letters_alarm" not in loaded.sources
    (notice,) = loaded.notices
    assert notice.startswith("FRESHET_LETTERS_ALARM is now FRESHET_DEAD_LETTER_ALARM_RATIO; ")
    loaded = load({}, {}, written(tmp_path, "letters_alarm = 0.25"))
    assert loaded.settings.dead_letter_alarm_ratio == 0.25
    assert (
        "letters_alarm in " in loaded.notices[0] and "freshet.toml is now dead_letter_alarm_ratio" in loaded.notices[0]
    )
    assert load({}, {}, None).notices == ()


def test_a_current_name_beats_the_former_one_and_a_bad_value_is_named_with_both(tmp_path: Path):
    both = {"FRESHET_LETTERS_ALARM": "0.5", "FRESHET_DEAD_LETTER_ALARM_RATIO": "0.1"}
    assert load({}, both, None).settings.dead_letter_alarm_ratio == 0.1
    file = written(tmp_path, "dead_letter_alarm_ratio = 0.2")
    assert load({}, {"FRESHET_LETTERS_ALARM": "0.5"}, file).settings.dead_letter_alarm_ratio == 0.5
    with pytest.raises(
        SettingsError, match=r"^FRESHET_LETTERS_ALARM is now .* FRESHET_DEAD_LETTER_ALARM_RATIO cannot be"
    ):
        load({}, {"FRESHET_LETTERS_ALARM": "5"}, None)


def test_every_former_name_stands_for_a_setting_and_is_none():
    assert set(RENAMED.values()) <= Settings.model_fields.keys()
    assert RENAMED.keys().isdisjoint(Settings.model_fields)
