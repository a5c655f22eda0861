"""INCAR: the tags as written, and their values by type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TRUE: Final = re.compile(r"\.?T(RUE)?\.?", re.IGNORECASE)
_FALSE: Final = re.compile(r"\.?F(ALSE)?\.?", re.IGNORECASE)


@dataclass(frozen=True)
class Incar:
    r"""The tags of an INCAR, or of a STOPCAR, which is written the same way.

    Attributes
    ----------
    tags
        Value of each tag as text, by the tag in capitals.

    Examples
    --------
    >>> incar = Incar.from_text("NSW = 20 ; EDIFFG = -0.02 # force\nMAGMOM = 2*5 0.6")
    >>> incar.integer("NSW", 0), incar.number("EDIFFG", 0.0), incar.numbers("MAGMOM")
    (20, -0.02, (5.0, 5.0, 0.6))
    """

    tags: Mapping[str, str]

    @classmethod
    def from_text(cls, text: str) -> Incar:
        """Read the text of an INCAR; of a tag that appears twice the first value counts."""
        tags: dict[str, str] = {}
        for line in re.sub(r"\\\s*\n", " ", text).splitlines():
            for part in re.split(r"[#!]", line)[0].split(";"):
                tag, sign, value = part.partition("=")
                if sign and tag.strip():
                    tags.setdefault(tag.strip().upper(), value.strip().strip('"'))
        return cls(tags)

    @classmethod
    def from_file(cls, path: Path) -> Incar:
        """Read the file `path`.

        Raises
        ------
        EngineError
            If it does not exist.
        """
        if not path.is_file():
            message = f"{path} is missing; the stand-in for VASP needs it as VASP does"
            raise EngineError(message)
        return cls.from_text(path.read_text("utf-8"))

    def integer(self, tag: str, default: int) -> int:
        """Return the value of `tag` as an integer."""
        return int(self.number(tag, default))

    def number(self, tag: str, default: float) -> float:
        """Return the value of `tag` as a number; VASP's 1.0D-5 is understood."""
        values = self.numbers(tag)
        return values[0] if values else default

    def numbers(self, tag: str) -> tuple[float, ...]:
        """Return the values of `tag`, with ``3*0.6`` written out; empty if the tag is absent."""
        values: list[float] = []
        for word in self.tags.get(tag, "").split():
            count, sign, value = word.rpartition("*")
            try:
                number = float(value.upper().replace("D", "E"))
                values += [number] * (int(count) if sign else 1)
            except ValueError as error:
                message = f"INCAR: {tag} = {self.tags[tag]}: {word!r} is not a number"
                raise EngineError(message) from error
        return tuple(values)

    def logical(self, tag: str, *, default: bool = False) -> bool:
        """Return the value of `tag` as a logical; values of other kinds (``LREAL = Auto``) too."""
        text = self.tags.get(tag, "")
        if _TRUE.fullmatch(text):
            return True
        return default if not text else not _FALSE.fullmatch(text)

    def text(self, tag: str, default: str) -> str:
        """Return the value of `tag` as it is written."""
        return self.tags.get(tag, default)

    @property
    def nsw(self) -> int:
        """Largest number of ionic steps."""
        return self.integer("NSW", 0)

    @property
    def ibrion(self) -> int:
        """What the ions do: -1 nothing, 1 to 3 relax, 5 and 6 vibrate."""
        return self.integer("IBRION", -1 if self.nsw in {-1, 0} else 0)

    @property
    def isif(self) -> int:
        """Which degrees of freedom are relaxed."""
        return self.integer("ISIF", 0 if self.ibrion == 0 or self.logical("LHFCALC") else 2)

    @property
    def ediffg(self) -> float:
        """Threshold of a relaxation: energy (eV) if positive, force (eV/Å) if negative."""
        return self.number("EDIFFG", 10 * self.number("EDIFF", 1e-4))

    @property
    def nelm(self) -> int:
        """Largest number of electronic steps."""
        return self.integer("NELM", 60)

    @property
    def spin_polarised(self) -> bool:
        """Whether ISPIN = 2."""
        return self.integer("ISPIN", 1) == 2  # noqa: PLR2004
