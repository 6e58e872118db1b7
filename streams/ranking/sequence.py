"""The sequence model that the settings name."""

from pathlib import Path

from encoders.base import ModelError
from encoders.models.sequence import SequenceFile, open_sequence
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings


def sequence_of(settings: Settings) -> SequenceFile | None:
    """The model that slates get candidates by, None where none is named; a SettingsError says what is wrong with it."""
    return sequence_in(Path(settings.sequence), "FRESHET_SEQUENCE=") if settings.sequence else None


def sequence_in(file: Path, named: str = "") -> SequenceFile:
    """The model of a file; a SettingsError says what is wrong with it."""
    try:
        return open_sequence(file)
    except ModelError as error:
        raise SettingsError(f"{named}{error}") from error
