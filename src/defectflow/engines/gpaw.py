"""GPAW: density functional theory with plane waves and the PAW method.

Sources: J. J. Mortensen et al., J. Chem. Phys. 160, 092503 (2024); gpaw.readthedocs.io.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from defectflow.documents.electronic import AtomDos, DosDocument
from defectflow.engines import gpaw_data, gpaw_process, programs
from defectflow.engines.calculators import BASIC, CalculatorEngine
from defectflow.engines.contract import Capability
from defectflow.engines.conversion import poscar_text
from defectflow.engines.dft_tables import table_digests
from defectflow.engines.dos import DosSettings, band_edges
from defectflow.engines.electrons import ElectronOptions, electronic_input
from defectflow.engines.gpaw_calculator import GpawCalculator, GpawTask
from defectflow.engines.gpaw_input import DATASETS, gpaw_keywords
from defectflow.engines.model import Model, code_versions
from defectflow.engines.once import once
from defectflow.engines.request import STATIC
from defectflow.engines.vacuum import has_vacuum, vacuum_document
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from defectflow.documents.base import EngineStamp
    from defectflow.engines.contract import EngineOptions
    from defectflow.engines.request import InputStep, Request


class GpawOptions(ElectronOptions):
    """Options of GPAW.

    Attributes
    ----------
    setups
        Names of PAW data sets that are not the default ones, by element: ``{"Mg": "2"}`` takes
        ``Mg.2.PBE``, which has two valence electrons instead of ten.
    """

    setups: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Gpaw(CalculatorEngine):
    """GPAW with plane waves, in a process of its own.

    Examples
    --------
    >>> Gpaw(options={"functional": "RPBE"}).model().functional
    'RPBE'
    """

    name: ClassVar[str] = "gpaw"
    family: ClassVar[str] = "gpaw"
    options_model: ClassVar[type[EngineOptions]] = GpawOptions
    declared: ClassVar[frozenset[Capability]] = BASIC | {
        Capability.STRESS,
        Capability.SPIN,
        Capability.CHARGE,
        Capability.KPOINTS,
        Capability.SITE_POTENTIALS,
        Capability.DOS,
        Capability.VACUUM_LEVEL,
        Capability.ATOMIC_CHARGES,
        Capability.VIBRATIONS,
        Capability.DISPERSION,
    }

    def model(self) -> Model:
        """Return the functional and the PAW data sets."""
        functional = self.options["functional"]
        base = functional.partition("+")[0]
        version = code_versions(["gpaw-data"]).get("gpaw-data", "of unknown version")
        others = " and others of GPAW_SETUP_PATH" if self._other_data() else ""
        return Model(
            name=f"PAW data sets for {DATASETS[base]}, gpaw-data {version}{others}",
            functional=functional,
            fidelity="dft",
            elements=None,
            packages=("gpaw",),
            d3_method=base.lower(),
            notes=table_digests(self.options),
        )

    def _other_data(self) -> str | None:
        functional = self.options["functional"].partition("+")[0]
        return gpaw_data.fingerprint(functional, self.options["setups"])

    def as_dict(self) -> dict[str, Any]:
        """Return the engine as data, with digests of data sets that are not gpaw-data's own.

        And of the user's own tables: with other files of the same names nothing that was computed
        before is taken over.
        """
        digest = self._other_data()
        files = {"datasets_sha256": digest} if digest else {}
        return super().as_dict() | files | table_digests(self.options)

    def stamp(self) -> EngineStamp:
        """Return the stamp, with the digest of data sets that are not gpaw-data's own."""
        return super().stamp().model_copy(update={"model_sha256": self._other_data()})

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if GPAW, MPI, or the data set of one of `elements` is missing."""
        try:
            self._check_here(elements)
        except EngineError as error:
            if not programs.excused(error):
                raise

    def _check_here(self, elements: Collection[str] | None) -> None:
        try:
            super().check()
        except EngineError as error:
            message = f"{str(error).partition(';')[0]}; {gpaw_process.REMEDY}"
            raise EngineError(message) from error
        if programs.processes() > 1:
            gpaw_process.command()
        functional = self.options["functional"].partition("+")[0]
        gpaw_data.check(elements or (), functional, self.options["setups"])

    def task(self, request: Request) -> GpawTask:
        """Return what GPAW is given for `request`; GPAW need not be installed for it."""
        electrons = electronic_input(self.options, request)
        setups = self.options["setups"]
        symbols = {element.symbol for element in request.structure.elements}
        keywords = gpaw_keywords(electrons, request.settings, setups)
        files = gpaw_data.used(symbols, electrons.functional, setups)
        inputs = electrons.record() | {"gpaw": keywords}
        if set(files) == symbols:
            valence = sum(files[site.specie.symbol].valence for site in request.structure)
            inputs["valence_electrons"] = valence - electrons.charge
        return GpawTask(
            keywords=keywords,
            ladder=tuple(request.settings["scf_ladder"]),
            moments=electrons.magnetic_moments,
            folder=request.folder.resolve(),
            inputs=inputs | {"datasets": {symbol: asdict(one) for symbol, one in files.items()}},
        )

    def dos_task(self, request: Request) -> GpawTask:
        """Return what GPAW is given for a density of states: empty bands too."""
        task = self.task(request)
        task.keywords["nbands"] = _bands(task, request.settings)
        return task

    def input_files(self, request: Request, step: InputStep = STATIC) -> dict[str, str]:
        """Return GPAW's keywords with the starting moments, and the atoms."""
        task = self.dos_task(request) if step.name == "dos" else self.task(request)
        given = {"gpaw": task.keywords, "magnetic_moments": task.moments}
        atoms = poscar_text(request.structure)
        return {"gpaw.json": json.dumps(given, indent=1) + "\n", "POSCAR": atoms}

    def part(self, request: Request) -> GpawCalculator:
        """Return a new calculator for `request`; GPAW starts with its first evaluation."""
        self.check({element.symbol for element in request.structure.elements})
        return GpawCalculator(self.task(request))

    def density_of_states(self, request: Request) -> DosDocument:
        """Return the density of states of the structure as it is.

        The projections are on the bound PAW partial waves of each atom, so that a curve counts what
        of a state looks like that orbital inside the sphere; dispersion has no part in it.

        Raises
        ------
        NotConverged
            If the SCF does not converge.
        """
        settings = DosSettings.of(request.settings)
        energies_eV = settings.grid().tolist()
        symbols = [site.specie.symbol for site in request.structure]
        self.check(set(symbols))
        task = self.dos_task(request)
        converged = task.keywords["nbands"] - request.settings["bands_unconverged"]

        def look(calculator: GpawCalculator) -> dict[str, Any]:
            answer = calculator.density_of_states(energies_eV, settings.width_eV, converged)
            vacuum = None
            if has_vacuum(request.structure):
                profile = calculator.potential_profile_eV()
                corrected = task.inputs["dipole_correction"]
                vacuum = vacuum_document(
                    profile, request.structure, answer["fermi"], corrected=corrected
                )
            return {
                **_electronic(answer, symbols),
                "energies_eV": tuple(energies_eV),
                "vacuum": vacuum,
                "width_eV": settings.width_eV,
                "magnetic_moments": _tuple(calculator.results.get("magmoms")),
            }

        return DosDocument(**once(self, GpawCalculator(task), request, look))


def _bands(task: GpawTask, settings: Mapping[str, Any]) -> int:
    """Return the number of bands for a density of states."""
    occupied = (task.inputs["valence_electrons"] + abs(sum(task.moments or ()))) / 2
    bands: int = math.ceil(settings["bands_factor"] * occupied) + settings["bands_extra"]
    return bands


def _electronic(answer: dict[str, Any], symbols: list[str]) -> dict[str, Any]:
    """Return the fields of a `DosDocument` that the server's answer holds."""
    edges = band_edges(np.array(answer["levels"]))
    return {
        "total": tuple(map(tuple, answer["total"])),
        "atoms": tuple(
            AtomDos(
                symbol=symbol,
                orbitals={name: tuple(map(tuple, curves)) for name, curves in orbitals.items()},
            )
            for symbol, orbitals in zip(symbols, answer["atoms"], strict=True)
        ),
        "fermi_eV": answer["fermi"],
        "gap_eV": edges.gap_eV,
        "direct": edges.direct,
        "vbm_eV": edges.vbm_eV,
        "cbm_eV": edges.cbm_eV,
    }


def _tuple(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(np.asarray(values, dtype=float).tolist())
