"""What an adsorbate is counted against: gas molecules, and the crystals of metals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from monty.json import MSONable

from defectflow.analysis.reactions import composition, formation
from defectflow.analysis.thermochemistry import GasMolecule, ideal_gas
from defectflow.documents import GasReference, RelaxDocument, ThermalDocument
from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.flows.alike import without_dipole_correction
from defectflow.flows.host import as_host, molecule_cautions, moments_for, relax_crystal
from defectflow.structures import hosts
from defectflow.structures.molecules import molecule, molecules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow import Flow, Job

    from defectflow.documents.vibrations import VibrationsDocument
    from defectflow.engines.contract import Engine

#: The reference of each element by default; H2 balances the hydrogen.
_REFERENCES: Final = {
    "H": "H2",
    "O": "H2O",
    "C": "CO2",
    "N": "N2",
    "F": "F2",
    "Cl": "Cl2",
    "Li": "bcc-Li",
    "Na": "bcc-Na",
    "K": "bcc-K",
    "Mg": "hcp-Mg",
}
#: References that may take the place of those, by element.
CHOICES: Final = {"C": ("CO2", "CO"), "O": ("H2O", "O2")}
#: What a reference brings with it so that the elements balance.
_BALANCE: Final = {"H2O": ("H2",), "CO2": ("H2O", "H2"), "CO": ("H2O", "H2")}
#: Water at this pressure (Pa) is in equilibrium with the liquid at 298 K: J. K. Nørskov et al.,
#: J. Phys. Chem. B 108, 17886 (2004). Other gases are at 1 bar.
WATER_PA: Final = 3534.0
_PRESSURES_PA: Final = {"H2O": WATER_PA}
_BAR_PA: Final = 1.0e5
#: Functionals get the double bonds of CO2 wrong.
_CARBON_DIOXIDE: Final = (
    "density functionals get CO2 wrong by some 0.1 eV (PBE) to 0.45 eV (RPBE): A. A. Peterson et "
    "al., Energy Environ. Sci. 3, 1311 (2010); nothing is corrected here"
)


@dataclass(frozen=True)
class Reference(MSONable):
    """A molecule, or a crystal, and how many of it hold the atoms of one adsorbate.

    Attributes
    ----------
    gas
        Whether it is a molecule in a box; else the name of a prototype.
    count
        Molecules, or atoms of the crystal; negative ones are given off.
    """

    name: str
    count: float
    gas: bool

    @property
    def pressure_Pa(self) -> float:
        """Pressure of the gas."""
        return _PRESSURES_PA.get(self.name, _BAR_PA)


def references_of(adsorbate: str, chosen: Mapping[str, str] | None = None) -> list[Reference]:
    """Return what an adsorbate is counted against, mass balanced.

    Parameters
    ----------
    chosen
        Other references by element, e.g. ``{"C": "CO"}``. ``{"O": "O2"}`` is against oxygen, whose
        free energy comes from that of water; water is what is computed.

    Raises
    ------
    RecipeError
        If an element has no reference, or the one chosen is not offered.

    Examples
    --------
    >>> [(one.name, one.count) for one in references_of("OOH")]
    [('H2', -1.5), ('H2O', 2.0)]
    """
    elements = sorted(composition(adsorbate))
    _check_choice(chosen or {}, elements)
    named: dict[str, None] = {}
    for symbol in elements:
        name = _named(symbol, adsorbate, chosen or {})
        named |= dict.fromkeys([*_BALANCE.get(name, ()), name])
    formulae = {_formula(name): name for name in named}
    amounts = formation(adsorbate, sorted(formulae))
    return [
        Reference(formulae[formula], count, formulae[formula] in molecules())
        for formula, count in amounts.items()
    ]


def _named(symbol: str, adsorbate: str, chosen: Mapping[str, str]) -> str:
    if symbol not in _REFERENCES:
        message = (
            f"adsorbate {adsorbate!r}: no gas is known for {symbol}; "
            f"{did_you_mean(symbol, _REFERENCES)}"
        )
        raise RecipeError(message)
    name = chosen.get(symbol, _REFERENCES[symbol])
    return "H2O" if name == "O2" else name


def _check_choice(chosen: Mapping[str, str], elements: Sequence[str]) -> None:
    for symbol, name in chosen.items():
        offered = CHOICES.get(symbol, (_REFERENCES.get(symbol, ""),))
        if name not in offered:
            message = f"reference {name!r} of {symbol}: {did_you_mean(name, offered)}"
            raise RecipeError(message)
        if symbol not in elements:
            message = f"reference of {symbol}: the adsorbate holds none; leave it out"
            raise RecipeError(message)


def _formula(name: str) -> str:
    return name if name in molecules() else name.partition("-")[2]


@dataclass
class GasJobs:
    """The jobs of the references of a flow, each made once.

    Attributes
    ----------
    vibrating
        Compute the vibrations of the molecules as well.
    """

    engine: Engine
    relax: dict[str, Any]
    vibrating: bool

    def __post_init__(self) -> None:
        """Begin with none."""
        self.jobs: list[Job | Flow] = []
        self.made: dict[str, dict[str, Any]] = {}

    def outputs(self, references: Sequence[Reference]) -> dict[str, dict[str, Any]]:
        """Return outputs by reference: ``relaxed``, and ``vibrations`` where these are wanted."""
        for one in references:
            if one.name not in self.made:
                self.made[one.name] = self._gas(one) if one.gas else self._crystal(one)
        return {one.name: self.made[one.name] for one in references}

    def _gas(self, reference: Reference) -> dict[str, Any]:
        gas = molecule(reference.name)
        moments = moments_for(self.engine, gas.moments_muB)
        boxed = gas.boxed()
        settings = without_dipole_correction(self.engine, self.relax, boxed)
        relax = self.engine.relax_maker("fixed", **settings).make(boxed, magnetic_moments=moments)
        relax.name = f"relax {gas.name}"
        self.jobs.append(relax)
        if not self.vibrating:
            return {"relaxed": relax.output, "vibrations": None}
        relaxed: Any = relax.output
        off = without_dipole_correction(self.engine, {}, boxed)
        shaken = self.engine.vibrations_maker(**off).make(
            relaxed.structure, displaced=list(range(len(gas.species)))
        )
        shaken.name = f"vibrations of {gas.name}"
        self.jobs.append(shaken)
        return {"relaxed": relax.output, "vibrations": shaken.output}

    def _crystal(self, reference: Reference) -> dict[str, Any]:
        crystal = as_host(hosts.load(reference.name))
        jobs = relax_crystal(self.engine, crystal, reference.name, relax=self.relax)
        self.jobs += jobs
        return {"relaxed": jobs[-1].output, "vibrations": None}


def gas_notes(engine: Engine, references: Sequence[Reference]) -> list[str]:
    """Return what a reader has to know about the references."""
    notes: list[str] = []
    for one in references:
        if one.gas:
            gas = molecule(one.name)
            notes += molecule_cautions(engine, one.name, magnetic=gas.magnetic)
        if one.name == "CO2" and engine.stamp().fidelity == "dft":
            notes.append(_CARBON_DIOXIDE)
    return list(dict.fromkeys(notes))


def reference_document(
    reference: Reference,
    relaxed: RelaxDocument,
    vibrations: VibrationsDocument | None,
    temperature_K: float | None,
) -> GasReference:
    """Return a reference as a document, with its free energy where vibrations are known."""
    count = reference.count if reference.gas else reference.count / len(relaxed.structure)
    thermal = None
    if vibrations is not None and temperature_K is not None:
        thermal = _thermal(reference, relaxed, vibrations, temperature_K)
    return GasReference(molecule=reference.name, count=count, relaxed=relaxed, thermal=thermal)


def _thermal(
    reference: Reference,
    relaxed: RelaxDocument,
    vibrations: VibrationsDocument,
    temperature_K: float,
) -> ThermalDocument:
    gas = molecule(reference.name)
    shape = GasMolecule(
        places_A=relaxed.structure.cart_coords,
        masses_u=np.array([float(site.specie.atomic_mass) for site in relaxed.structure]),
        symmetry_number=gas.symmetry_number,
        spin=sum(gas.moments_muB) / 2,
    )
    modes = np.array(vibrations.energies_eV)
    try:
        thermal = ideal_gas(shape, modes, temperature_K, reference.pressure_Pa)
    except StructureError as error:
        message = f"{reference.name} in a box: {error}"
        raise StructureError(message) from error
    return ThermalDocument(
        modes_eV=vibrations.energies_eV,
        zero_point_eV=thermal.zero_point_eV,
        heat_eV=thermal.heat_eV,
        entropy_eV_per_K=thermal.entropy_eV_per_K,
        free_energy_eV=thermal.free_energy_eV,
        pressure_Pa=reference.pressure_Pa,
    )
