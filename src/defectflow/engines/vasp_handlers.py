"""What watches and repairs a run of VASP: custodian's handlers, as far as they leave numbers alone.

Left out are handlers that change smearing or k-points of a run that works: an energy with other
settings cannot be compared with its neighbours. `defectflow.engines.vasp_run` refuses what remains
of such changes.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Any, Final

from atomate2.vasp.run import DEFAULT_HANDLERS
from custodian.vasp.handlers import (
    IncorrectSmearingHandler,
    KspacingMetalHandler,
    LargeSigmaHandler,
    NonConvergingErrorHandler,
    PositiveEnergyErrorHandler,
    UnconvergedErrorHandler,
    WalltimeHandler,
)
from custodian.vasp.io import load_vasprun

_START_VARIABLE: Final = "CUSTODIAN_WALLTIME_START"
_REPLACED: Final = (
    IncorrectSmearingHandler,
    KspacingMetalHandler,
    LargeSigmaHandler,
    UnconvergedErrorHandler,
)
#: Errors of these mean that the electrons do not converge.
OF_ELECTRONS: Final = (UnconvergedErrorHandler, NonConvergingErrorHandler)


class UnconvergedElectronsHandler(UnconvergedErrorHandler):
    """Repairs an SCF that does not converge; out of ionic steps is no error but a result."""

    def check(self, directory: str = "./") -> bool:
        """Tell whether the last SCF did not converge."""
        try:
            run = load_vasprun(os.path.join(directory, self.output_filename))  # noqa: PTH118
        except Exception:  # noqa: BLE001 - a broken file is the validator's business
            return False
        return not run.converged_electronic


class WallTimeHandler(WalltimeHandler):
    """Asks VASP to stop before the end of the wall time, once.

    Parameters
    ----------
    left_s
        Time that is left now.
    closing_s
        VASP is asked at the latest so many seconds before the end.
    electronic
        Stop after the present electronic step, not after the ionic one.
    """

    def __init__(self, left_s: float, closing_s: float, *, electronic: bool) -> None:
        earlier = os.environ.pop(_START_VARIABLE, None)
        super().__init__(left_s, closing_s, electronic)
        if earlier is None:
            os.environ.pop(_START_VARIABLE, None)
        else:
            os.environ[_START_VARIABLE] = earlier
        self.start_time = dt.datetime.now()  # noqa: DTZ005 - as custodian subtracts it
        self.asked = False

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian logs."""
        return {"@module": type(self).__module__, "@class": type(self).__name__}

    def check(self, directory: str = "./") -> bool:
        """Tell whether it is time to stop; it stays so."""
        return self.asked or bool(self._out_of_time()) or bool(super().check(directory))

    def _out_of_time(self) -> bool:
        """Tell whether less than the closing time is left, whatever OUTCAR says."""
        passed = dt.datetime.now() - self.start_time  # noqa: DTZ005 - see above
        return bool(self.wall_time - passed.total_seconds() < self.buffer_time)

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Write STOPCAR, the first time."""
        if self.asked:
            return {"errors": ["Walltime reached"], "actions": None}
        self.asked = True
        answer: dict[str, Any] = super().correct(directory)  # type: ignore[no-untyped-call]
        return answer


def handlers(wall: WallTimeHandler | None, *, standin: bool) -> list[Any]:
    """Return the handlers of one run.

    Energies of the stand-in's potentials may well be positive.
    """
    without = (*_REPLACED, PositiveEnergyErrorHandler) if standin else _REPLACED
    kept = [type(one)() for one in DEFAULT_HANDLERS if not isinstance(one, without)]
    return [*kept, UnconvergedElectronsHandler(), *([wall] if wall else [])]
