"""Energies of faults, twins, boundaries and of gliding, against stacks built by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.eam import EAM as AseEAM  # noqa: N811
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents import load_result
from defectflow.engines import engine
from defectflow.engines.electrons import kpoint_mesh, shared_spacing
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.errors import RecipeError, StructureError
from defectflow.flows.gliding import GlidePlan, UnstableFaultMaker
from defectflow.flows.planar import PlanarEnergyMaker, PlanarPlan, _Scene
from defectflow.flows.provenance import Provenance
from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.reference import compare
from defectflow.structures import hosts

MJ_PER_M2 = 16021.76634
LATTICE_A = {
    name: hosts.load(f"fcc-{name}").structure.lattice.a for name in ("Cu", "Ag", "Al", "Ni")
}


def recipe(folder, text):
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def fault_of(host, fault, height_A, **more):
    lines = [f"quantity: stacking_fault_energy\nhost: {{prototype: {host}, primitive: true}}"]
    lines += [f"defect: {{fault: {fault}, min_height_A: {height_A}}}"]
    lines += [f"{key}: {value}" for key, value in ({"engine": "emt"} | more).items()]
    return "\n".join(lines) + "\n"


def stack(letters, element, a=None):
    """Close-packed planes by their letters, periodic: built by ASE, with no code of ours."""
    a = a or LATTICE_A[element]
    bond, spacing = a / 2**0.5, a / 3**0.5
    first, second = np.array([bond, 0, 0]), np.array([bond / 2, bond * 3**0.5 / 2, 0])
    third = (first + second) / 3
    places = ["ABC".index(letter) * third + [0, 0, k * spacing] for k, letter in enumerate(letters)]
    cell = [first, second, [0, 0, len(letters) * spacing]]
    return Atoms(f"{element}{len(letters)}", positions=places, cell=cell, pbc=True)


def excess(letters, element, calculator, count=1):
    """Energy per area over that of the crystal, mJ/m²."""
    energies = []
    for one in (letters, "ABC" * 4):
        atoms = stack(one, element)
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy() / len(atoms))
    area = stack(letters, element).cell
    size = np.linalg.norm(np.cross(area[0], area[1]))
    return MJ_PER_M2 * (energies[0] - energies[1]) * len(letters) / size / count


@pytest.mark.parametrize(
    ("element", "fault", "letters"),
    [
        ("Cu", "intrinsic", "ABCABCABCAB"),
        ("Ag", "intrinsic", "ABCABCABCAB"),
        ("Ni", "intrinsic", "ABCABCABCAB"),
        ("Cu", "extrinsic", "ABCABCABCB"),
    ],
)
def test_fault_energies_are_those_of_a_stack_built_by_hand(tmp_path, element, fault, letters):
    height = LATTICE_A[element] / 3**0.5 * (len(letters) - 0.5)
    text = fault_of(f"fcc-{element}", fault, height, atoms="fixed", host_cell="keep")
    document = run(build(recipe(tmp_path, text)))
    assert document.converged
    assert document.unit == "mJ/m2"
    assert len(document.candidates[0].relaxed.structure) == len(letters)
    assert document.value == pytest.approx(excess(letters, element, EMT()), abs=0.05)
    assert any("EMT" in note for note in document.notes)
    assert load_result(document.model_dump(mode="json")) is not None


def test_relaxation_lowers_a_fault(tmp_path):
    energies = []
    for atoms in ("fixed", "relaxed"):
        text = fault_of("fcc-Al", "intrinsic", 20, atoms=atoms, host_cell="scale")
        energies.append(run(build(recipe(tmp_path, text))).value)
    assert energies[1] <= energies[0] + 1e-3


def test_a_twin_is_that_of_a_stack_built_by_hand_and_the_boundary_of_sigma_3(tmp_path):
    """Mirror image and coincidence site lattice, two generators, are one boundary."""
    shared = "engine: emt\natoms: fixed\nhost_cell: keep\nhost: {prototype: fcc-Cu}\n"
    twin = "quantity: twin_energy\ndefect: {miller: [1, 1, 1], min_thickness_A: 12}\n"
    boundary = (
        "quantity: grain_boundary_energy\n"
        "defect: {axis: [1, 1, 0], sigma: 3, miller: [1, -1, 1], min_thickness_A: 12}\n"
    )
    values = [run(build(recipe(tmp_path, text + shared))).value for text in (twin, boundary)]
    by_hand = excess("ABCABCBACBAC", "Cu", EMT(), count=2)
    assert values[0] == pytest.approx(values[1], abs=0.05)
    assert values[0] == pytest.approx(by_hand, abs=0.3)


def test_a_tilt_boundary_takes_the_lowest_of_its_displacements(tmp_path):
    text = (
        "quantity: grain_boundary_energy\nhost: {prototype: fcc-Al}\nengine: emt\nlevel: fast\n"
        "defect: {axis: [0, 0, 1], sigma: 5, miller: [3, 1, 0], shifts: [3, 2]}\n"
        "candidates: 4\nkeep: 2\n"
    )
    document = run(build(recipe(tmp_path, text)))
    done = [one for one in document.candidates if one.energy_mJ_per_m2 is not None]
    assert len(document.candidates) == 4
    assert len(done) == 2
    assert document.value == min(one.energy_mJ_per_m2 for one in done)
    assert document.defect.startswith("Σ5(310)[001]")
    assert 50 < document.value < 2000
    for one in done:
        assert one.energy_mJ_per_m2 <= one.screened_mJ_per_m2 + 1e-6
        crystal, cell = document.reference, one.relaxed
        bulk = crystal.energy_eV / len(crystal.structure) * len(cell.structure)
        by_hand = MJ_PER_M2 * (cell.energy_eV - bulk) / (2 * one.area_A2)
        assert one.energy_mJ_per_m2 == pytest.approx(by_hand)


def test_the_grains_of_a_boundary_take_their_own_distance(tmp_path):
    """Against ASE's relaxation along the normal; in a fixed cell grains press on each other."""
    text = (
        "quantity: grain_boundary_energy\nhost: {prototype: fcc-Cu}\nengine: emt\n"
        "defect: {axis: [0, 0, 1], sigma: 5, miller: [2, 1, 0], shifts: [1, 1]}\n"
        "candidates: 1\nkeep: 1\n"
    )
    free = run(build(recipe(tmp_path, text)))
    fixed = run(build(recipe(tmp_path, text + "height: fixed\n")))
    kept = build(recipe(tmp_path, text + "host_cell: keep\n"))
    assert free.converged
    assert fixed.converged
    assert fixed.value > 1.05 * free.value
    (one,), (other,) = free.candidates, fixed.candidates
    assert (one.relaxed.cell, other.relaxed.cell) == ("height", "fixed")
    atoms = AseAtomsAdaptor.get_atoms(other.relaxed.structure)
    atoms.calc = EMT()
    normal = FrechetCellFilter(atoms, mask=[0, 0, 1, 0, 0, 0])
    BFGS(normal, logfile=None).run(fmax=0.01, steps=300)
    crystal = free.reference.energy_eV / len(free.reference.structure) * len(atoms)
    by_hand = MJ_PER_M2 * (atoms.get_potential_energy() - crystal) / (2 * one.area_A2)
    assert free.value == pytest.approx(by_hand, abs=2.0)
    plane = one.relaxed.structure.lattice.matrix[:2]
    assert plane == pytest.approx(other.relaxed.structure.lattice.matrix[:2], abs=1e-6)
    maker = kept.jobs[1].maker
    assert maker._free() == "fixed"


KINK = """\
quantity: grain_boundary_energy
host: {prototype: 2H-MoS2}
host_cell: keep
atoms: fixed
defect: {kind: kink, angle_deg: 15, min_width_A: 9}
engine: sevennet
"""


def test_the_wall_of_a_kink_costs_energy_as_any_boundary(tmp_path):
    document = run(build(recipe(tmp_path, KINK)))
    assert document.defect == "kink(1-2-1)_14.6°"
    assert document.value > 0
    (only,) = document.candidates
    assert only.equivalent
    assert only.relaxed.structure.composition.reduced_formula == "MoS2"


# --- gliding


UNSTABLE = """\
quantity: unstable_stacking_fault_energy
host: {prototype: fcc-Cu, primitive: true}
host_cell: keep
min_height_A: 22
engine: emt
"""


def glided(fraction, gap_A=0.0):
    """Eleven planes of copper displaced by a part of the Shockley partial, energy in J/m²."""
    atoms = stack("ABCABCABCAB", "Cu")
    a, b, _ = atoms.cell.array
    spacing = LATTICE_A["Cu"] / 3**0.5
    third = (a + b) / 3
    # The crystal's own image lies a third on, as eleven planes end with B and C comes next.
    tilt = len(atoms) * third + [0, 0, len(atoms) * spacing + gap_A] + fraction * third
    step = third + np.array([0, 0, spacing])
    places = np.arange(len(atoms))[:, None] * step
    energies = []
    for cell in ([a, b, tilt], [a, b, tilt - fraction * third - [0, 0, gap_A]]):
        one = Atoms(f"Cu{len(atoms)}", positions=places, cell=cell, pbc=True, calculator=EMT())
        energies.append(one.get_potential_energy())
    return (energies[0] - energies[1]) * MJ_PER_M2 / 1000 / np.linalg.norm(np.cross(a, b))


def test_the_summit_of_the_path_is_that_of_a_crystal_cut_by_hand(tmp_path):
    document = run(build(recipe(tmp_path, UNSTABLE + "gap: fixed\npoints: 13\n")))
    path = [glided(one) for one in np.linspace(0, 1, 25)]
    found = [point.energy_J_per_m2 for point in document.points]
    assert np.allclose(found, path[::2], atol=1e-5)
    assert document.value == pytest.approx(max(path), abs=2e-3)
    assert document.end_J_per_m2 == pytest.approx(path[-1], abs=1e-5)
    assert document.converged


def test_the_distance_of_the_halves_relaxes(tmp_path):
    document = run(build(recipe(tmp_path, UNSTABLE + "points: 5\n")))
    middle = document.points[2]
    gaps = np.linspace(0, 0.4, 21)
    energies = [glided(0.5, gap) for gap in gaps]
    assert middle.energy_J_per_m2 == pytest.approx(min(energies), abs=5e-3)
    assert middle.gap_A == pytest.approx(gaps[np.argmin(energies)], abs=0.04)


def test_a_fitted_surface_meets_points_that_it_was_not_given(tmp_path):
    from defectflow.analysis.gamma_surface import FourierSurface

    document = run(build(recipe(tmp_path, UNSTABLE + "gap: fixed\ngrid: [8, 8]\n")))
    fit = document.fit
    surface = FourierSurface(
        np.array(fit.orders), np.array(fit.cosines_J_per_m2), np.array(fit.sines_J_per_m2),
        np.array(fit.symmetry), fit.residual_J_per_m2,
    )  # fmt: skip
    assert sum(point.multiplicity for point in document.points) == 64
    ends = np.array([[1, 1], [-1, -1], [1, 2], [2, 1]]) / 3  # one of them is the fault
    end = ends[int(np.argmin(np.abs(surface.energies(ends) - glided(1.0))))]
    for fraction in (0.25, 0.4, 0.55, 0.7):
        assert surface.energies([fraction * end])[0] == pytest.approx(glided(fraction), abs=0.02)
    assert document.value == pytest.approx(max(glided(x) for x in np.linspace(0, 1, 41)), abs=0.02)


# --- potentials from files


def copper_file(path):
    """Write analytic functions for copper as ``.eam.alloy``; no real potential."""
    count, cutoff = 1000, 4.9
    r = np.arange(count) * cutoff / count
    rho = np.arange(count) * 0.05
    fade = np.clip((cutoff - r) / 1.5, 0, 1) ** 4
    pair = r * (1800 * np.exp(-3.2 * r) - 0.5 * np.exp(-1.1 * r)) * fade
    blocks = [-1.2 * np.sqrt(rho), 20 * np.exp(-1.5 * r) * fade, pair]
    lines = ["# a", "# b", "# c", "1 Cu", f"{count} 0.05 {count} {cutoff / count} {cutoff}"]
    lines += ["29 63.55 3.615 fcc"]
    lines += [f"{value:.15e}" for block in blocks for value in block]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_potential_from_a_file_gives_its_fault(tmp_path):
    file = copper_file(tmp_path / "Cu.eam.alloy")
    named = "{name: eam, options: {potential: Cu.eam.alloy}}"
    text = fault_of("fcc-Cu", "intrinsic", 22, atoms="fixed", host_cell="keep", engine=named)
    document = run(build(recipe(tmp_path, text)))
    calculator = AseEAM(potential=str(file), form="alloy")
    assert document.value == pytest.approx(excess("ABCABCABCAB", "Cu", calculator), abs=0.05)
    assert abs(document.value) > 0.5


# --- beside published numbers


TWIN = """\
quantity: twin_energy
host: {prototype: fcc-Al}
defect: {miller: [1, 1, 1], min_thickness_A: 8}
atoms: fixed
engine: emt
"""
BOUNDARY = """\
quantity: grain_boundary_energy
host: {prototype: fcc-Al}
defect: {axis: [0, 0, 1], sigma: 5, miller: [3, 1, 0]}
engine: emt
"""


@pytest.mark.parametrize(
    ("text", "published"),
    [
        (fault_of("fcc-Ni", "intrinsic", 12, atoms="fixed"), "MET-062"),
        (fault_of("fcc-Al", "intrinsic", 12, atoms="fixed"), "MET-064"),
        (fault_of("fcc-Al", "extrinsic", 12, atoms="fixed"), "MET-065"),
        (TWIN, "MET-063"),
    ],
)
def test_each_defect_finds_its_own_published_value(tmp_path, text, published):
    document = run(build(recipe(tmp_path, text)))
    (comparison,) = compare([document])
    assert comparison.published.id == published
    assert comparison.error == pytest.approx(document.value - comparison.published.value)
    assert not comparison.others


def test_gliding_of_iron_finds_its_plane():
    from defectflow.reference.conditions import conditions_of
    from defectflow.reference.matching import match

    class Asked:
        quantity, unit, host, prototype = (
            "unstable_stacking_fault_energy",
            "J/m2",
            "bcc-Fe",
            "bcc-Fe",
        )
        host_formula, species, engine = "Fe", "Fe", engine("emt").stamp()

    from defectflow.documents import UnstableFaultDocument

    for miller, shift, known in (
        ((1, 1, 0), (0.5, -0.5, 0.5), "MET-060"),
        ((1, 1, 2), (0.5, 0.5, -0.5), "MET-061"),
    ):
        document = UnstableFaultDocument.model_construct(
            **{k: v for k, v in vars(Asked).items() if not k.startswith("__")},
            miller=miller, shift=shift,
        )  # fmt: skip
        assert [value.id for value in match(conditions_of(document))] == [known]


# --- what is refused


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (fault_of("hcp-Mg", "intrinsic", 12, engine="sevennet"), StructureError, "stacked as ABC"),
        (UNSTABLE + "shift: [1/2, 1/2, 0]\n", StructureError, "nearest vector that does"),
        (UNSTABLE + "cut: 3\n", StructureError, "1 distinct cuts"),
        (BOUNDARY.replace("sigma: 5", "sigma: 7"), StructureError, "nearest are Σ 5"),
        (BOUNDARY.replace("3, 1, 0", "3, 1, 1"), StructureError, r"nearest that do are \(310\)"),
        (TWIN.replace("1, 1, 1", "1, 0, 0"), StructureError, "near it are"),
        (UNSTABLE + "points: 3\n", RecipeError, "points"),
    ],
)
def test_what_cannot_be_is_refused_when_the_flow_is_built(tmp_path, text, error, said):
    with pytest.raises(error, match=said):
        build(recipe(tmp_path, text))


def test_rounding_of_units():
    """One electronvolt per Å² is e·10²⁰ J/m²."""
    from defectflow.units import MJ_PER_M2_PER_EV_A2

    assert pytest.approx(1.602176634e-19 * 1e20 * 1e3) == MJ_PER_M2_PER_EV_A2
    assert math.isclose(MJ_PER_M2, MJ_PER_M2_PER_EV_A2)


@pytest.mark.parametrize("name", ["Al", "Cu", "Ag", "Ni"])
@pytest.mark.parametrize("atoms", ["fixed", "relaxed"])
def test_a_fault_and_its_crystal_share_one_mesh(name, atoms):
    """Eleven planes against twelve: at one spacing the longer cell may get fewer points across."""
    plan = PlanarPlan("stacking_fault", {"fault": "intrinsic", "min_height_A": 20.0})
    cells = plan.cells(hosts.load(f"fcc-{name}").structure.get_primitive_structure())
    pair = (cells[0].structure, cells[0].pristine)
    unlike = 0
    for asked in np.linspace(0.14, 0.30, 17):
        gpaw = engine("gpaw", settings={"kpoint_spacing_per_A": float(asked)})
        maker = PlanarEnergyMaker(gpaw, plan, "stacking_fault_energy", atoms=atoms)
        settings = maker._maker(cells).settings
        assert settings["kpoint_spacing_per_A"] == settings["metal_kpoint_spacing_per_A"] <= asked
        assert len({kpoint_mesh(one, settings["kpoint_spacing_per_A"]) for one in pair}) == 1
        unlike += len({kpoint_mesh(one, float(asked)) for one in pair}) > 1
    assert unlike


@pytest.mark.parametrize("atoms", ["fixed", "relaxed"])
def test_candidates_have_the_settings_asked_for(atoms):
    plan = PlanarPlan("stacking_fault", {"fault": "intrinsic"})
    cells = plan.cells(hosts.load("fcc-Cu").structure)
    relax = {"cutoff_eV": 600.0, "kpoint_spacing_per_A": 0.1, "fmax_eV_per_A": 0.02}
    maker = PlanarEnergyMaker(
        engine("gpaw"), plan, "stacking_fault_energy", atoms=atoms, relax=relax
    )
    for settings in (maker._maker(cells).settings, maker._settings("static", cells)):
        assert settings["cutoff_eV"] == 600.0
        assert 0.08 < settings["kpoint_spacing_per_A"] <= 0.1


def test_cells_that_are_too_different_keep_their_spacing():
    crystal = hosts.load("fcc-Cu").structure
    long = crystal.make_supercell([1, 1, 3], in_place=False)
    assert shared_spacing([crystal, long], {"kpoint_spacing_per_A": 0.3}) == {}
    assert shared_spacing([crystal, crystal], {"kpoint_spacing_per_A": 0.3}) == {}
    assert shared_spacing([crystal, long], {"fmax_eV_per_A": 0.05}) == {}


def test_a_cell_that_lost_its_twins_does_not_count(unmoved):
    """As if relaxing had made the crystal of it: its energy is zero, and no twin's."""
    copper = hosts.load("fcc-Cu")
    plan = PlanarPlan("twin", {"miller": [1, 1, 1], "min_thickness_A": 6})
    (cell, *_) = plan.cells(copper.structure)
    maker = PlanarEnergyMaker(engine("emt"), plan, "twin_energy")
    there, gone = (unmoved(one) for one in (cell.structure, cell.pristine))
    said = {"host": "fcc-Cu", "host_formula": "Cu", "prototype": "fcc-Cu", "notes": []}
    scene = _Scene(gone, said, Provenance.of("twin", "test"))
    found = [
        maker.conclude.original(maker, scene, [gone, None], {cell.name: end}, {})
        for end in (there, gone)
    ]
    assert [one.value for one in found] == [0.0, None]
    assert [one.candidates[0].left for one in found] == ["defect", "nothing"]
    assert "made a perfect crystal of it; it does not count" in found[1].notes[0]
    assert not found[1].converged


def test_glides_have_the_settings_asked_for():
    plan = GlidePlan((1, 1, 1), (1 / 6, 1 / 6, -1 / 3), points=2)
    maker = UnstableFaultMaker(engine("gpaw"), plan, relax={"cutoff_eV": 600.0})
    host = evaluate(Request(hosts.load("fcc-Cu").structure), engine("emt"))
    (job, *_) = maker.glide.original(maker, host, {}, None).replace.jobs
    assert job.function.__self__.settings["cutoff_eV"] == 600.0
