"""The migration barrier flow on EMT, from host to document."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc111, molecule
from ase.calculators.emt import EMT as EMT_calculator  # noqa: N811 - EMT is our engine here
from ase.mep.neb import NEB
from ase.optimize import FIRE
from pymatgen.core import Lattice, Structure

from defectflow.documents import MigrationBarrierDocument, load_result
from defectflow.engines.conversion import to_atoms
from defectflow.engines.registry import engine
from defectflow.errors import EngineError, RecipeError, StructureError
from defectflow.flows import EndpointsBarrierMaker, MigrationBarrierMaker
from defectflow.launch import run_flow
from defectflow.store import open_store

EMT = engine("emt", level="fast")


def copper() -> Structure:
    """Return the cubic cell of copper at EMT's lattice constant."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.59), ["Cu"], [[0, 0, 0]])


def computed(flow: object) -> MigrationBarrierDocument:
    """Run a flow in memory and return its result."""
    with open_store("memory://") as store, TemporaryDirectory() as folder:
        summary = run_flow(flow, store, root=Path(folder))  # type: ignore[arg-type]
        assert summary.state == "completed", summary.failures
        (document,) = store.find(quantity="migration_barrier")
    assert isinstance(document, MigrationBarrierDocument)
    return document


@pytest.fixture(scope="module")
def vacancy() -> MigrationBarrierDocument:
    """Vacancy migration in copper."""
    maker = MigrationBarrierMaker(EMT, limit="discharged", min_image_distance_A=7.0)
    return computed(maker.make(copper(), "Cu"))


def _ase_barrier(document: MigrationBarrierDocument) -> float:
    """Return the barrier that ASE's own band finds between the same ends."""
    band = document.hops[0].band
    first, *_, last = [to_atoms(image.structure, ()) for image in band.images]
    images = [first, *[first.copy() for _ in range(5)], last]
    neb = NEB(images, k=1.0, climb=True, method="improvedtangent")
    neb.interpolate("idpp", mic=True)
    for image in images:
        image.calc = EMT_calculator()
    FIRE(neb, logfile=None).run(fmax=0.03, steps=300)
    energies = [image.get_potential_energy() for image in images]
    return float(max(energies) - min(energies))


def test_vacancy_in_copper(vacancy: MigrationBarrierDocument) -> None:
    assert vacancy.converged
    assert vacancy.value == vacancy.barrier_eV
    assert vacancy.barrier_eV == pytest.approx(_ase_barrier(vacancy), abs=0.01)
    assert vacancy.spline_barrier_eV == pytest.approx(vacancy.barrier_eV, abs=0.01)
    assert vacancy.defect == "V_Cu"
    assert vacancy.dimensions == 3
    assert vacancy.engine.name == "emt"
    assert vacancy.engine.fidelity == "stand-in"
    (hop,) = vacancy.hops
    assert hop.multiplicity == 24  # 12 neighbours of each of 4 atoms, each pair once
    assert hop.distance_A == pytest.approx(np.array(vacancy.host_lattice)[0, 0] / np.sqrt(2))
    assert hop.forward_eV == pytest.approx(hop.reverse_eV, abs=1e-6)


def test_diffusion_states_its_factors(vacancy: MigrationBarrierDocument) -> None:
    diffusion = vacancy.diffusion
    assert diffusion is not None
    assert diffusion.geometric_factor == pytest.approx(12 / 6)
    assert diffusion.barrier_eV == vacancy.barrier_eV
    assert 0 < diffusion.coefficient_cm2_per_s["300"] < 1e-12


def test_relaxed_sites_are_shared_by_symmetry(vacancy: MigrationBarrierDocument) -> None:
    (site,) = vacancy.sites
    (hop,) = vacancy.hops
    ends = hop.band.images[0], hop.band.images[-1]
    assert {round(end.energy_eV, 9) for end in ends} == {round(site.relaxed.energy_eV, 9)}
    assert vacancy.force_calls == (
        site.relaxed.force_calls + hop.band.force_calls + _host_calls(vacancy)
    )


def _host_calls(document: MigrationBarrierDocument) -> int:
    others = sum(site.relaxed.force_calls for site in document.sites)
    return document.force_calls - others - sum(hop.band.force_calls for hop in document.hops)


def test_other_images_leave_the_relaxed_ends() -> None:
    done: dict[str, str] = {}
    with open_store("memory://") as store:
        for images in (1, 3):
            few = engine("emt", level="fast", settings={"images": images})
            maker = MigrationBarrierMaker(few, limit="discharged", min_image_distance_A=7.0)
            done.clear()
            run_flow(
                maker.make(copper(), "Cu"),
                store,
                on_event=lambda one: done.update({one.name: one.kind}),
            )
        bands = [len(one.hops[0].band.images) - 2 for one in store.find()]
    assert sorted(bands) == [1, 3]
    assert done["relax host"] == done["relax Cu at Cu site 1"] == "reused"
    assert done["Cu site 1 to Cu site 1, 2.54 Å"] == "finished"


def test_document_survives_its_store(vacancy: MigrationBarrierDocument) -> None:
    again = load_result(vacancy.model_dump(mode="json"))
    assert again == vacancy


@pytest.fixture(scope="module")
def hydrogen() -> MigrationBarrierDocument:
    """Hydrogen in copper: octahedral sites joined through tetrahedral ones."""
    maker = MigrationBarrierMaker(EMT, host_cell="keep", min_image_distance_A=7.0)
    return computed(maker.make(copper(), "H"))


def test_interstitial_goes_around_the_ridge(hydrogen: MigrationBarrierDocument) -> None:
    """The straight line between two octahedral sites of fcc leads over the bridge of two atoms."""
    assert hydrogen.converged
    assert len(hydrogen.sites) >= 2
    limiting = max(hydrogen.hops, key=lambda hop: hop.span_eV)
    by_label = {candidate.label: candidate.barrier_eV for candidate in limiting.band.candidates}
    assert limiting.band.chosen != "straight"
    assert by_label[limiting.band.chosen] < by_label["straight"]


def test_unconverged_has_no_value() -> None:
    maker = MigrationBarrierMaker(
        EMT,
        limit="discharged",
        min_image_distance_A=7.0,
        band={"max_steps": 1, "patience": 1, "fmax_eV_per_A": 1e-4},
    )
    document = computed(maker.make(copper(), "Cu"))
    assert not document.converged
    assert document.value is None
    assert document.barrier_eV is None
    assert document.diffusion is None


def test_mistakes_surface_before_anything_runs() -> None:
    with pytest.raises(StructureError, match="'Xx': not a chemical element"):
        MigrationBarrierMaker(EMT).make(copper(), "Xx")
    with pytest.raises(StructureError, match="holds no Al to take out"):
        MigrationBarrierMaker(EMT, limit="discharged").make(copper(), "Al")
    with pytest.raises(EngineError, match="does not know Mg"):
        MigrationBarrierMaker(EMT, limit="charged").make(copper(), "Mg")


def test_hop_between_given_structures(vacancy: MigrationBarrierDocument) -> None:
    band = vacancy.hops[0].band
    ends = band.images[0].structure, band.images[-1].structure
    document = computed(EndpointsBarrierMaker(EMT, explore=False).make(*ends))
    assert document.converged
    assert document.limit == "given"
    assert document.barrier_eV == pytest.approx(vacancy.barrier_eV, abs=0.005)
    assert document.strain == 0.0
    assert document.hops[0].band.mirrored


def test_given_ends_of_different_moments_are_both_relaxed(
    vacancy: MigrationBarrierDocument,
) -> None:
    """They look alike, but the ion ends among moments opposite to those where it started."""
    band = vacancy.hops[0].band
    first, last = band.images[0].structure.copy(), band.images[-1].structure.copy()
    away = np.round(first.distance_matrix[-1] - last.distance_matrix[-1], 2)
    for ion, count in ((0.0, 1), (1.0, 2)):
        moments = [*(-np.sign(away[:-1])).tolist(), ion]
        ends = [end.copy().add_site_property("magmom", moments) for end in (first, last)]
        flow = EndpointsBarrierMaker(EMT, explore=False).make(*ends)
        assert sum("relax" in job.name for job in flow.jobs) == count


def test_a_hop_between_files_that_list_their_atoms_in_another_order() -> None:
    host = copper() * [2, 2, 2]
    initial, final = (host.copy().remove_sites([k]) for k in (0, 20))
    document = computed(EndpointsBarrierMaker(EMT, explore=False, images=1).make(initial, final))
    assert document.converged
    assert document.barrier_eV == pytest.approx(0.6, abs=0.2)
    assert "like atoms of both ends were matched" in document.notes[0]


def test_given_structures_without_symmetry() -> None:
    """With a silver atom near one end the two ends differ, and so do the two barriers."""
    host = copper() * [2, 2, 2]
    distances = host.distance_matrix[0].copy()
    distances[0] = np.inf
    neighbour = int(distances.argmin())
    beside = [i for i in range(len(host)) if abs(host.distance_matrix[neighbour, i] - 2.54) < 0.1]
    far = next(i for i in beside if host.distance_matrix[0, i] > 3.0)
    host.replace(far, "Ag")
    places = host[0].frac_coords, host[neighbour].frac_coords
    host.remove_sites([0, neighbour])
    initial, final = host.copy(), host.copy()
    initial.append("Cu", places[1])
    final.append("Cu", places[0])
    document = computed(EndpointsBarrierMaker(EMT, explore=False).make(initial, final))
    (hop,) = document.hops
    assert document.converged
    assert not hop.band.mirrored
    assert abs(hop.forward_eV - hop.reverse_eV) > 0.01
    energies = [end.energy_eV for end in (hop.band.images[0], hop.band.images[-1])]
    assert hop.forward_eV - hop.reverse_eV == pytest.approx(energies[1] - energies[0], abs=1e-6)


def test_a_molecule_hops_in_one_piece() -> None:
    """Nitrogen lying on copper: EMT binds it weakly, both atoms are named, the bond stays."""
    slab = fcc111("Cu", size=(3, 3, 2), a=3.59, vacuum=5.0, periodic=True)
    add_adsorbate(slab, molecule("N2"), 2.0, position="ontop")
    initial = Structure.from_ase_atoms(slab)
    final = initial.copy()
    final.translate_sites([len(initial) - 2, len(initial) - 1], [1 / 3, 0, 0])
    document = computed(EndpointsBarrierMaker(EMT, explore=False).make(initial, final))
    assert document.converged
    assert document.species == "N2"
    assert document.barrier_eV is not None
    assert 0 < document.barrier_eV < 0.5
    for image in document.hops[0].band.images:
        assert 0.95 < image.structure.get_distance(len(initial) - 2, len(initial) - 1) < 1.25


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"limit": "discharge"}, "limit 'discharge' does not exist; did you mean discharged"),
        ({"sites": "any"}, "sites 'any' does not exist"),
        ({"host_cell": "fixed"}, "host_cell 'fixed' does not exist"),
    ],
)
def test_words_that_do_not_exist_are_refused_at_once(changes, says) -> None:
    with pytest.raises(RecipeError, match=says):
        MigrationBarrierMaker(EMT, **changes).make(copper(), "Cu")
