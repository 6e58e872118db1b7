"""Functions outside Freshet that a setting names as package.module:function."""

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from schemas.settings.load import SettingsError


def load_function(variable: str, place: str) -> Callable[..., Any]:
    """The function that a setting names; a SettingsError says why it cannot be loaded.

    variable  the setting, for the sentence
    place     package.module:function; the settings check the form

    >>> load_function("FRESHET_FEED", "math:floor")(2.5)
    2
    """
    module_name, _, name = place.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            remedy = "install it into Freshet's environment, or add its folder to PYTHONPATH"
            raise SettingsError(f"{variable}={place}: there is no module {error.name}; {remedy}.") from error
        raise SettingsError(f"{variable}={place}: {module_name} cannot be imported ({error}).") from error
    except Exception as error:  # whatever the module does when it is imported
        fault = f"{type(error).__name__}: {error}"
        raise SettingsError(f"{variable}={place}: {module_name} cannot be imported ({fault}).") from error
    function: Any = getattr(module, name, None)
    if function is None:
        raise SettingsError(f"{variable}={place}: {module_name} has no {name}{_nearest(module, name)}.")
    if not callable(function):
        raise SettingsError(f"{variable}={place}: {name} is of the type {type(function).__name__}, not a function.")
    return function  # type: ignore[no-any-return]


def call_function(variable: str, place: str, context: object) -> Any:
    """What that function returns for a context; a SettingsError with its message where it raises."""
    function = load_function(variable, place)
    try:
        return function(context)
    except Exception as error:  # the function is not Freshet's, so anything may be raised
        fault = f"{type(error).__name__}: {error}"
        raise SettingsError(f"{variable}={place} failed ({fault}); FRESHET_DEBUG=1 shows where.") from error


def _nearest(module: object, name: str) -> str:
    near = get_close_matches(name, [one for one in dir(module) if callable(getattr(module, one))], n=1)
    return f"; the nearest function is {near[0]}" if near else ""
