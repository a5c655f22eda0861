"""Where and how to run. What is computed is said by recipes alone: no setting changes a number.

Settings come from the command line, else from environment variables, else from the file
``.defectflow/settings.yaml`` below the working directory, else from ``settings.yaml`` in the user's
folder (`defectflow.paths`). `defectflow init` writes the first of these files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from defectflow.errors import RecipeError, did_you_mean
from defectflow.paths import user_folder

#: Below the working directory, and in the user's folder.
FILE: Final = "settings.yaml"
FOLDER: Final = ".defectflow"


class Settings(BaseSettings):
    """Defaults of the command line.

    Attributes
    ----------
    store
        ``DEFECTFLOW_STORE``: URL of the store; None for ``.defectflow/store.sqlite``.
    workers
        ``DEFECTFLOW_WORKERS``: number of jobs at a time.
    to
        ``DEFECTFLOW_TO``: who takes what is submitted.
    queue
        ``DEFECTFLOW_QUEUE``: queue file, or the name of a shipped one.
    engines
        Engines that `defectflow doctor` looks at.
    """

    model_config = SettingsConfigDict(
        env_prefix="DEFECTFLOW_", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    store: str | None = None
    workers: int = Field(default=1, ge=1)
    to: Literal["fireworks", "jobflow-remote"] | None = None
    queue: str | None = None
    engines: tuple[str, ...] = ()


def settings_file() -> Path | None:
    """Return the file that settings are read from; None if there is none."""
    candidates = (Path.cwd() / FOLDER / FILE, user_folder() / FILE)
    return next((one for one in candidates if one.is_file()), None)


def load_settings() -> Settings:
    """Return the settings of this place: environment first, then the file.

    Raises
    ------
    RecipeError
        If a variable or the file holds something unusable; the message names it and its value.
    """
    file = settings_file()
    written = _read(file) if file is not None else {}
    known = {name: value for name, value in written.items() if not os.environ.get(_variable(name))}
    try:
        return Settings(**known)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = f"{file}: {name}" if name in known else f"environment variable {_variable(name)}"
        message = f"{where}={first['input']}: {first['msg']}; change or unset it"
        raise RecipeError(message) from error


def _variable(name: str) -> str:
    return f"DEFECTFLOW_{name.upper()}"


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        message = f"{file}: cannot be read: {first}; write it anew with `defectflow init --force`"
        raise RecipeError(message) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        message = f"{file}: settings are lines of `key: value`; see `defectflow init`"
        raise RecipeError(message)
    unknown = sorted(set(map(str, data)) - set(Settings.model_fields))
    if unknown:
        hint = did_you_mean(unknown[0], Settings.model_fields)
        message = f"{file}: unknown setting {unknown[0]!r}; {hint}"
        raise RecipeError(message)
    return {str(name): value for name, value in data.items()}
