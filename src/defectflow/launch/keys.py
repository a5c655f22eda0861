"""The content key of a job: two jobs with equal keys compute the same thing."""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import types
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jobflow.core.maker import Maker
from monty.json import jsanitize

from defectflow.documents.base import LIMITS, content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobflow.core.job import Job

#: Jobs of which it is known what their settings mean.
_OURS: Final = "defectflow."


def job_key(job: Job, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    """Return the content key of `job`, or None if it has no canonical form.

    The key covers the function (name and compiled code), the settings of the maker that it is
    bound to, the arguments and the version of defectflow. It leaves out what does not change a
    number: names of makers, uuids, metadata, versions of other packages, and for our own jobs how
    many steps they may take. Code that the function calls is seen only through the version.

    Parameters
    ----------
    job
        The job.
    args, kwargs
        Its arguments with all references resolved.
    """
    function = original(job.function)
    bound = getattr(job.function, "__self__", None)
    name = f"{function.__module__}.{function.__qualname__}"
    without = LIMITS if name.startswith(_OURS) else frozenset()
    try:
        owner = None if isinstance(bound, types.ModuleType) else _canonical(bound, without)
        inputs = _canonical([list(args), dict(kwargs)], without)
    except (TypeError, ValueError, AttributeError, RecursionError):
        return None
    schema = getattr(job.output_schema, "__qualname__", None)
    try:
        return content_key(name, _code_digest(function), owner, inputs, schema, _version())
    except TypeError:
        return None


def original(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plain function under jobflow's decorator and the binding to a maker."""
    plain = getattr(function, "__func__", function)
    found: Callable[..., Any] = getattr(plain, "original", plain)
    return found


def _canonical(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return _essence(jsanitize(value, strict=True, enum_values=True), without)


def _essence(value: Any, without: frozenset[str]) -> Any:
    """Drop versions, the names of makers and what is `without` from serialised objects."""
    if isinstance(value, list):
        return [_essence(one, without) if isinstance(one, (dict, list)) else one for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("@class") == "OutputReference":
        message = "an unresolved reference has no content"
        raise ValueError(message)
    dropped = without | ({"@version", "name"} if _is_maker(value) else {"@version"})
    return {name: _essence(one, without) for name, one in value.items() if name not in dropped}


def _is_maker(value: Mapping[str, Any]) -> bool:
    module = sys.modules.get(str(value.get("@module")))
    found = getattr(module, str(value.get("@class")), None)
    return isinstance(found, type) and issubclass(found, Maker)


@cache
def _code_digest(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return hashlib.sha256(repr(_code_content(code)).encode()).hexdigest()


def _code_content(constant: Any) -> Any:
    if isinstance(constant, types.CodeType):
        inner = [_code_content(one) for one in constant.co_consts]
        return [constant.co_code.hex(), list(constant.co_names), inner]
    if isinstance(constant, frozenset):
        return sorted(map(repr, constant))
    if isinstance(constant, tuple):
        return [_code_content(one) for one in constant]
    return repr(constant)


@cache
def _version() -> str:
    try:
        return importlib.metadata.version("defectflow")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"
