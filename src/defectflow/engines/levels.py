"""The numbers of an engine: one YAML file per step, with levels as differences from balanced.

A file ``templates/input/<family>/<step>.yaml`` has three keys. ``balanced`` lists every setting of
the step; ``fast`` and ``stringent`` list only what differs from it. A family with electrons has one
more file, ``electrons.yaml``: its settings belong to every step, and a step's file may change them.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Final, get_args

from defectflow import paths
from defectflow.documents.base import Level
from defectflow.errors import MissingData, RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The levels, in the order of their cost.
LEVELS: tuple[str, ...] = get_args(Level)
_REFERENCE = "balanced"
#: Setting that decides the k-point mesh, and the one for metals that a family may have beside it.
SPACING = "kpoint_spacing_per_A"
METAL_SPACING = "metal_kpoint_spacing_per_A"
#: Setting of steps that need a tighter SCF than others, whatever thresholds these are given.
SCF_FACTOR: Final = "scf_factor"
#: Setting that gives neutral slabs a dipole correction, of families with electrons.
DIPOLE = "dipole_correction"
#: Step whose settings every other step of the family has too.
ELECTRONS = "electrons"


def check_level(level: str) -> None:
    """Raise `RecipeError` unless `level` is one of the three."""
    if level not in LEVELS:
        message = f"level {level!r} does not exist; {did_you_mean(level, LEVELS)}"
        raise RecipeError(message)


def steps(family: str) -> tuple[str, ...]:
    """Return the names of the steps for which `family` has numbers."""
    prefix = f"input/{family}/"
    names = paths.listing("templates", f"{prefix}*.yaml")
    return tuple(name.removeprefix(prefix).removesuffix(".yaml") for name in names)


def electron_settings() -> frozenset[str]:
    """Return the settings of electrons, of all families: they decide the scale of energies."""
    files = paths.listing("templates", f"input/*/{ELECTRONS}.yaml")
    families = [name.split("/")[1] for name in files]
    return frozenset().union(*(_tables(family, ELECTRONS)[_REFERENCE] for family in families))


def step_settings(
    family: str, step: str, level: str, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the settings of `step` at `level`, with `overrides` put on top.

    A spacing of k-points among the overrides holds for every crystal, metals too.

    Raises
    ------
    MissingData
        If the family has no such step.
    RecipeError
        If the file is malformed, or an override is unknown or of the wrong type.
    """
    check_level(level)
    if step not in steps(family):
        message = f"engine family {family}: no step {step!r}; {did_you_mean(step, steps(family))}"
        raise MissingData(message)
    settings: dict[str, Any] = {}
    shared = [ELECTRONS] if step != ELECTRONS and ELECTRONS in steps(family) else []
    for part in (*shared, step):
        tables = _tables(family, part)
        settings |= tables[_REFERENCE] | tables.get(level, {})
    given = dict(overrides or {})
    if SPACING in given and METAL_SPACING in settings:
        given.setdefault(METAL_SPACING, given[SPACING])
    _update(settings, given, f"{family} {step}")
    return settings


def wanted(
    family: str, step: str, level: str, own: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a step, without the dipole correction where nothing asks for it.

    Cells without one are then what they were before there was such a setting: their jobs keep
    their keys.

    Parameters
    ----------
    own, given
        Overrides of the engine, and those of the step on top of them. Where the engine's name the
        correction a step has it, be it off. Thresholds of the SCF that the engine is given are
        tighter by the ``scf_factor`` of the step, if it has one.
    """
    settings = step_settings(family, step, level, {**own, **given})
    for key in own.keys() - given.keys():
        if _is_threshold(key, settings[key]):
            settings[key] *= settings.get(SCF_FACTOR, 1.0)
    if DIPOLE in settings and not settings[DIPOLE] and DIPOLE not in own:
        del settings[DIPOLE]
    return settings


def _is_threshold(key: str, value: object) -> bool:
    """Tell whether a setting is a threshold of the SCF."""
    return key.startswith("scf_") and key != SCF_FACTOR and isinstance(value, float)


def checked_overrides(family: str, level: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return overrides of all steps of `family`, each of the type of the setting it replaces.

    Raises
    ------
    RecipeError
        If no step has such a setting, or the type is wrong.
    """
    if not overrides:
        return {}
    known: dict[str, Any] = {}
    for step in steps(family):
        known = step_settings(family, step, level) | known
    changed = dict(known)
    _update(changed, overrides, f"{family} settings")
    return {key: changed[key] for key in overrides}


def _tables(family: str, step: str) -> dict[str, dict[str, Any]]:
    path = paths.find("templates", f"input/{family}/{step}.yaml")
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read(path: Path, _modified_ns: int) -> dict[str, dict[str, Any]]:
    import yaml

    try:
        tables = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        message = f"{path}: not readable as YAML: {' '.join(str(error).split())}"
        raise RecipeError(message) from error
    if not isinstance(tables, dict) or not isinstance(tables.get(_REFERENCE), dict):
        message = f"{path}: needs a key {_REFERENCE!r} that lists every setting"
        raise RecipeError(message)
    for level, table in tables.items():
        if level not in LEVELS:
            message = f"{path}: level {level!r} does not exist; {did_you_mean(level, LEVELS)}"
            raise RecipeError(message)
        _update(dict(tables[_REFERENCE]), table or {}, f"{path}: {level}")
    return {level: table or {} for level, table in tables.items()}


def _update(settings: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    for key, value in changes.items():
        if key not in settings:
            message = f"{where}: no setting {key!r}; {did_you_mean(key, settings)}"
            raise RecipeError(message)
        settings[key] = _same_type(settings[key], value, f"{where}: {key}")


def _same_type(old: object, value: object, where: str) -> object:
    """Return `value` in the type of `old`, in the range that its kind of number has."""
    expected = type(old)
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        message = f"{where}: {value!r} is not of type {expected.__name__}, as {_written(old)} is"
        if expected is float and (number := _number(value)) is not None:
            message += f"; YAML takes it for text, write {_written(number)}"
        raise RecipeError(message)
    if isinstance(old, float) and isinstance(value, float):
        _check_range(old, value, where)
    if expected is int and isinstance(value, int) and value < 0:
        message = f"{where} = {value}: must not be below zero, e.g. {old}"
        raise RecipeError(message)
    return value


def _number(value: object) -> float | None:
    """Return the number that a text stands for; None if it is none."""
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _written(value: object) -> str:
    """Return a value as YAML has to be given it: a power of ten needs a point before it."""
    text = repr(value)
    small = isinstance(value, float) and "e" in text and "." not in text
    return text.replace("e", ".0e") if small else text


def _check_range(old: float, value: float, where: str) -> None:
    """Refuse what is not finite, and what is not above zero where the usual number is."""
    if not math.isfinite(value) or (old > 0 and value <= 0) or (old == 0 and value < 0):
        needed = "above zero" if old > 0 else "finite" if old < 0 else "not below zero"
        message = f"{where} = {value:g}: must be {needed}, e.g. {old:g}"
        raise RecipeError(message)


def cell_cutoff(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cutoff of relaxations of the cell as an override; empty if it is the usual one.

    The plane waves of the first cell are too few for a smaller one: the stress is wrong (Pulay's)
    before energy differences at a fixed cell are. Energies that are subtracted from that of such a
    relaxation need the same cutoff.

    Parameters
    ----------
    settings, given
        Of the relaxation, and those of them that were asked for.
    """
    factor = settings.get("cell_cutoff_factor", 1.0)
    if factor == 1 or "cutoff_eV" in given:
        return {}
    return {"cutoff_eV": settings["cutoff_eV"] * factor}
