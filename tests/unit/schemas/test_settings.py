"""Settings: who wins, where a value came from, and what is said about one that cannot be used."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.settings.load import RENAMED, SettingsError, load, settings_file
from schemas.settings.model import Settings


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
    with pytest.raises(SettingsError, match=r"freshet\.toml: slate is no setting; the nearest is slate_size"):
        load({}, {}, written(tmp_path, "slate = 3"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("partitions", "0", "FRESHET_PARTITIONS cannot be '0': it should be greater than or equal to 1"),
        ("bootstrap", "localhost", "FRESHET_BOOTSTRAP cannot be 'localhost': 'localhost' is not host:port"),
        ("bootstrap", "a:1,b:99999", "'b:99999' is not host:port"),
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
