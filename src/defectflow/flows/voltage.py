"""The voltage of an insertion electrode."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, job
from monty.json import MSONable

from defectflow.analysis.voltages import (
    above_hull_eV,
    average_voltage_V,
    capacity_mAh_per_g,
    mixing_energies_eV,
    voltage_profile,
)
from defectflow.documents import (
    ChemicalPotential,
    IntercalationVoltageDocument,
    RelaxDocument,
    VoltagePlateau,
    VoltagePoint,
)
from defectflow.engines.contract import Capability
from defectflow.errors import RecipeError, StructureError
from defectflow.flows.alike import one_hubbard_set
from defectflow.flows.host import about, as_host, cautions, one_engine, relax_crystal
from defectflow.flows.provenance import Provenance
from defectflow.flows.reservoirs import PhasePlan, Reservoirs, crystals_in, phase_jobs, phases_for
from defectflow.flows.results import cost, heading
from defectflow.structures.electrodes import Electrode, electrodes
from defectflow.structures.moments import moments_of
from defectflow.structures.oxidation import usual_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow import Job
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell


@dataclass(frozen=True)
class VoltageScene(MSONable):
    """What is known before anything is computed: compositions in the order of their results."""

    names: list[str]
    ions: list[float]
    units: list[float]
    host_unit: str
    ion: str
    ion_charge: int
    metal: PhasePlan
    about: dict[str, Any]
    notes: list[str]
    provenance: Provenance


@dataclass
class IntercalationVoltageMaker(Maker):
    """Voltage against the metal of the ion, from crystals with different numbers of ions.

    1. Relax each crystal: atoms only (``keep``), or atoms and cell (``relax``), or atoms and volume
       (``scale``); then at its own cell with the plane waves of all others.
    2. Relax the metal likewise.
    3. V = -ΔE / (z Δx) between the emptiest and the fullest composition, and between neighbours on
       the convex hull.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = IntercalationVoltageMaker(engine("chgnet"))
    >>> flow = maker.make([hosts.load("spinel-Ti2S4"), hosts.load("spinel-MgTi2S4")], "Mg")
    >>> [job.name for job in flow][:2]
    ['relax cell of spinel-Ti2S4', 'relax spinel-Ti2S4']
    """

    engine: Engine
    name: str = "intercalation voltage"
    host_cell: HostCell = "relax"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(
        self,
        crystals: Sequence[Host | Structure],
        ion: str,
        ion_charge: int | None = None,
        metal: Host | Structure | str | None = None,
        provenance: Provenance | None = None,
        notes: Sequence[str] = (),
    ) -> Flow:
        """Return the flow; its output is an `IntercalationVoltageDocument`.

        Parameters
        ----------
        crystals
            At least two, with different numbers of ions in the same host.
        ion_charge
            In units of e; that of the element in its compounds by default.
        metal
            Crystal that the ion is counted against; the element's standard state by default.

        Raises
        ------
        StructureError
            If the hosts differ, or all have the same number of ions.
        EngineError
            If the engine cannot do what is needed, or gives an element U in one crystal alone.
        """
        named = [as_host(crystal) for crystal in crystals]
        found = electrodes([one.structure for one in named], ion)
        self.engine.check({e.symbol for one in named for e in one.structure.elements} | {ion})
        reservoirs = Reservoirs({ion: metal} if metal is not None else {})
        phases = phases_for(_elsewhere(named, ion), {ion}, reservoirs)
        one_hubbard_set(self.engine, [*(one.structure for one in named), *crystals_in(phases)])
        ((plan, source),) = phases.values()
        jobs: list[Job | Flow] = []
        ends = []
        for one in named:
            jobs += relax_crystal(self.engine, one, one.name, self.host_cell, self.relax)
            ends.append(jobs[-1].output)
        jobs += phase_jobs(self.engine, self.relax, plan, source)
        scene = self._scene(named, found, plan, ion, ion_charge, provenance)
        scene.notes.extend(notes)
        last = self.conclude(ends, jobs[-1].output, scene)
        last.name = "voltage"
        return Flow([*jobs, last], output=last.output, name=scene.provenance.recipe)

    def _scene(
        self,
        named: Sequence[Host],
        found: Sequence[Electrode],
        metal: PhasePlan,
        ion: str,
        ion_charge: int | None,
        provenance: Provenance | None,
    ) -> VoltageScene:
        emptiest = min(range(len(found)), key=lambda i: found[i].ions)
        host = named[emptiest]
        crystals = [one.structure.as_dict() for one in named]
        notes = [note for one in named for note in cautions(self.engine, one.structure)]
        if Capability.SPIN in self.engine.capabilities():
            notes += _moments_note(named)
        notes += _charge_note(ion, ion_charge)
        return VoltageScene(
            names=[one.name for one in named],
            ions=[one.ions for one in found],
            units=[one.units for one in found],
            host_unit=found[0].host_unit,
            ion=ion,
            ion_charge=ion_charge or usual_charge(ion),
            metal=metal,
            about={**about(host), "species": ion},
            notes=list(dict.fromkeys(notes)),
            provenance=provenance
            or Provenance.of(f"voltage of {host.name}", self.as_dict(), crystals, ion),
        )

    @job(output_schema=IntercalationVoltageDocument, metadata={"defectflow": "result"})
    def conclude(
        self, ends: Sequence[RelaxDocument], metal: RelaxDocument, scene: VoltageScene
    ) -> IntercalationVoltageDocument:
        """Subtract the energies: step 3."""
        one_engine(*ends, metal)
        energies = [end.energy_eV / n for end, n in zip(ends, scene.units, strict=True)]
        metal_eV = metal.energy_eV / len(metal.structure)
        points = sorted(_points(ends, energies, scene), key=lambda p: (p.ions, p.energy_eV))
        first = points[0]
        last = next(one for one in points if one.ions == points[-1].ions)
        steps = voltage_profile(scene.ions, energies, metal_eV, scene.ion_charge)
        settled = metal.converged and all(end.converged for end in ends)
        return IntercalationVoltageDocument(
            **heading(self.engine, scene.provenance),
            **cost(*ends, metal),
            **scene.about,
            defect=f"{scene.ion} {first.ions:g} to {last.ions:g} in {scene.host_unit}",
            converged=settled,
            value=_average(first, last, metal_eV, scene.ion_charge) if settled else None,
            host_unit=scene.host_unit,
            ion_charge=scene.ion_charge,
            compositions=(first.ions, last.ions),
            points=tuple(points),
            steps=tuple(VoltagePlateau(**asdict(one)) for one in steps),
            volume_change=last.volume_A3 / first.volume_A3 - 1,
            capacity_mAh_per_g=_capacity(first, last, scene.ion_charge),
            metal=ChemicalPotential(
                element=scene.ion, energy_eV=metal_eV, source=scene.metal.name, relaxed=metal
            ),
            host_cell=self.host_cell,
            notes=tuple(scene.notes),
        )


def usual_charge(ion: str) -> int:
    """Return the one charge that an element has in its compounds.

    Raises
    ------
    RecipeError
        If it has several, or none that is positive.
    """
    charges = _cation_charges(ion)
    if ion == "H" or len(charges) == 1:
        return charges[0] if ion != "H" else 1
    message = f"{ion} has no single usual charge ({charges}); give it, e.g. `ion_charge: 2`"
    raise RecipeError(message)


def _cation_charges(ion: str) -> list[int]:
    return [charge for charge in usual_states(ion) if charge > 0]


def _charge_note(ion: str, ion_charge: int | None) -> list[str]:
    """Return what is to be said of a charge that the element does not have in its compounds."""
    usual = _cation_charges(ion)
    if ion_charge is None or not usual or ion_charge in usual:
        return []
    charges = " or ".join(f"{charge}+" for charge in usual)
    return [f"computed for {ion}{ion_charge}+, as `ion_charge` says; in compounds it is {charges}"]


def _moments_note(named: Sequence[Host]) -> list[str]:
    """Return what is to be said where some crystals have magnetic moments and others do not."""
    bare = [one.name for one in named if moments_of(one.structure) is None]
    if not bare or len(bare) == len(named):
        return []
    note = (
        f"magnetic moments are given, but not in {', '.join(bare)}, which starts with the usual "
        "ones of the engine: energies of unlike magnetic orders may be compared; give each crystal "
        "with its moments as `compositions`"
    )
    return [note]


def _elsewhere(named: Sequence[Host], ion: str) -> Host:
    """Return a crystal that is not the ion's own metal, whose reservoir is then looked up."""
    for one in named:
        if {element.symbol for element in one.structure.elements} != {ion}:
            return one
    message = f"the host without {ion} holds nothing; give crystals of a host that {ion} enters"
    raise StructureError(message)


def _points(
    ends: Sequence[RelaxDocument], energies: Sequence[float], scene: VoltageScene
) -> list[VoltagePoint]:
    mixing = mixing_energies_eV(scene.ions, energies)
    heights = above_hull_eV(scene.ions, energies)
    return [
        VoltagePoint(
            name=scene.names[i],
            ions=scene.ions[i],
            energy_eV=energies[i],
            mixing_eV=mixing[i],
            above_hull_eV=heights[i],
            volume_A3=end.structure.volume / scene.units[i],
            relaxed=end,
        )
        for i, end in enumerate(ends)
    ]


def _average(first: VoltagePoint, last: VoltagePoint, metal_eV: float, ion_charge: int) -> float:
    ions, energies = (first.ions, last.ions), (first.energy_eV, last.energy_eV)
    return average_voltage_V(ions, energies, metal_eV, ion_charge)


def _capacity(first: VoltagePoint, last: VoltagePoint, ion_charge: int) -> float:
    units = last.relaxed.structure.volume / last.volume_A3
    mass = float(last.relaxed.structure.composition.weight) / units
    return capacity_mAh_per_g((last.ions - first.ions) * ion_charge, mass)
