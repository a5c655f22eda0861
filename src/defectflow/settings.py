"""Where and how to run. What is computed is said by recipes alone: no setting changes a number."""

from __future__ import annotations

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from defectflow.errors import RecipeError


class Settings(BaseSettings):
    """Defaults of the command line, read from the environment.

    Attributes
    ----------
    store
        ``DEFECTFLOW_STORE``: URL of the store; None for ``.defectflow/store.sqlite``.
    workers
        ``DEFECTFLOW_WORKERS``: number of jobs at a time.
    """

    model_config = SettingsConfigDict(env_prefix="DEFECTFLOW_", env_ignore_empty=True, frozen=True)

    store: str | None = None
    workers: int = Field(default=1, ge=1)


def load_settings() -> Settings:
    """Return the settings of this environment.

    Raises
    ------
    RecipeError
        If a variable holds something unusable; the message names variable and value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"DEFECTFLOW_{str(first['loc'][0]).upper()}"
        message = (
            f"environment variable {name}={first['input']}: {first['msg']}; change or unset it"
        )
        raise RecipeError(message) from error
