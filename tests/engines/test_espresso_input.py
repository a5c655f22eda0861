"""Built inputs of pw.x: the whole text, at three levels and for each special request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.engines import engine
from defectflow.engines.conversion import to_atoms
from defectflow.engines.electrons import electronic_input
from defectflow.engines.espresso import own_numbers
from defectflow.engines.espresso_input import RunControl, label_atoms, pw_input
from defectflow.engines.espresso_pseudos import Pseudopotential
from defectflow.engines.request import Request
from defectflow.errors import RecipeError
from defectflow.units import RYDBERG_EV

VALENCE = {"Al": 3, "Mg": 10, "O": 6, "Fe": 16, "Cu": 19, "Ni": 18}


def potential(element: str, **changes) -> Pseudopotential:
    facts = {
        "path": Path(f"/pseudo/{element}.upf"),
        "element": element,
        "kind": "NC",
        "functional": "PBE",
        "relativity": "scalar",
        "valence": float(VALENCE[element]),
    }
    return Pseudopotential(**(facts | changes))


def built(structure, *, level="balanced", version=(6, 7), run=None, pseudos=None, **changes) -> str:
    """Return the text for `structure`; `changes` are options, settings or parts of the request."""
    parts = {key: changes.pop(key) for key in ("charge", "magnetic_moments") if key in changes}
    settings = {key: changes.pop(key) for key in ("cutoff_eV", "smearing_eV") if key in changes}
    espresso = engine("espresso", level=level, settings=settings, **changes)
    request = Request(structure, espresso.settings("static"), **parts)
    electrons = electronic_input(espresso.options, request)
    elements = {site.specie.symbol for site in structure}
    return pw_input(
        to_atoms(structure),
        electrons,
        pseudos or {element: potential(element) for element in elements},
        own_numbers(request),
        version=version,
        run=run,
    ).text()


def value(text: str, key: str) -> str:
    found = [line.split("=")[1].strip() for line in text.splitlines() if f" {key} =" in line]
    assert len(found) == 1, f"{key} in {text}"
    return found[0]


@pytest.fixture
def iron_oxide() -> Structure:
    """Antiferromagnetic rocksalt FeO, two formula units."""
    lattice = Lattice.from_parameters(3.06, 3.06, 4.33, 90, 90, 90)
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0, 0.5]]
    return Structure(lattice, ["Fe", "Fe", "O", "O"], sites)


BALANCED = """\
&CONTROL
  calculation = 'scf'
  prefix = 'calc'
  outdir = './out'
  pseudo_dir = '/pseudo'
  tprnfor = .true.
  tstress = .false.
  disk_io = 'low'
/
&SYSTEM
  ibrav = 0
  nat = 2
  ntyp = 2
  ecutwfc = 94.81325121
  ecutrho = 379.2530049
  occupations = 'smearing'
  smearing = 'fermi-dirac'
  degauss = 0.003674932218
/
&ELECTRONS
  conv_thr = 1.469972887e-07
  electron_maxstep = 80
  mixing_beta = 0.7
  mixing_mode = 'plain'
  diagonalization = 'david'
/
ATOMIC_SPECIES
  Mg 24.3050 Mg.upf
  O 15.9990 O.upf
CELL_PARAMETERS angstrom
  0.0000000000 2.1250000000 2.1250000000
  2.1250000000 0.0000000000 2.1250000000
  2.1250000000 2.1250000000 0.0000000000
ATOMIC_POSITIONS angstrom
  Mg 0.0000000000 0.0000000000 0.0000000000
  O 2.1250000000 2.1250000000 2.1250000000
K_POINTS automatic
  11 11 11 0 0 0
"""


def test_the_input_of_the_balanced_level(oxide):
    assert built(oxide) == BALANCED


@pytest.mark.parametrize(
    ("level", "ecutwfc", "degauss", "conv_thr", "mesh"),
    [
        ("fast", "85.25842745", "0.007349864435", "1.469972887e-07", "8 8 8 0 0 0"),
        ("stringent", "115.0253784", "0.003674932218", "1.469972887e-08", "15 15 15 0 0 0"),
    ],
)
def test_the_other_levels_are_differences(oxide, level, ecutwfc, degauss, conv_thr, mesh):
    mine, balanced = built(oxide, level=level).splitlines(), BALANCED.splitlines()
    text = "\n".join(mine)
    assert value(text, "ecutwfc") == ecutwfc
    assert value(text, "degauss") == degauss
    assert value(text, "conv_thr") == conv_thr
    assert mine[-1].strip() == mesh
    changed = {"ecutwfc", "ecutrho", "degauss", "conv_thr"}
    for old, new in zip(balanced[:-1], mine[:-1], strict=True):
        assert old == new or old.split()[0] in changed


@pytest.mark.parametrize("charge", [-1, 1, 2])
def test_a_positive_charge_takes_electrons_away(oxide, charge):
    assert float(value(built(oxide, charge=charge), "tot_charge")) == charge
    assert "tot_charge" not in built(oxide)


def test_moments_of_one_element_that_differ_make_two_species(iron_oxide):
    text = built(iron_oxide, magnetic_moments=(4.0, -4.0, 0.0, 0.0))
    assert value(text, "nspin") == "2"
    assert value(text, "ntyp") == "3"
    assert value(text, "starting_magnetization(1)") == "0.25"  # 4 of 16 electrons
    assert value(text, "starting_magnetization(2)") == "-0.25"
    assert value(text, "starting_magnetization(3)") == "0"
    lines = text.splitlines()
    assert "  Fe1 55.8450 Fe.upf" in lines
    assert "  Fe2 55.8450 Fe.upf" in lines
    positions = lines[lines.index("ATOMIC_POSITIONS angstrom") + 1 :][:4]
    assert [line.split()[0] for line in positions] == ["Fe1", "Fe2", "O", "O"]


def test_a_starting_moment_is_never_more_than_all_valence_electrons(oxide):
    text = built(oxide, magnetic_moments=(12.0, -9.0))
    assert value(text, "starting_magnetization(1)") == "1"
    assert value(text, "starting_magnetization(2)") == "-1"


def test_without_spin_there_is_no_word_of_it(oxide):
    assert "nspin" not in built(oxide)
    assert "starting_magnetization" not in built(oxide)


def test_hubbard_before_version_7_1(iron_oxide):
    text = built(iron_oxide, functional="PBE+U", magnetic_moments=(4, -4, 0, 0), version=(7, 0))
    assert value(text, "lda_plus_u") == ".true."
    assert value(text, "Hubbard_U(1)") == value(text, "Hubbard_U(2)") == "5.3"
    assert "Hubbard_U(3)" not in text
    assert "HUBBARD" not in text


def test_hubbard_from_version_7_1_on(iron_oxide):
    text = built(iron_oxide, functional="PBE+U", magnetic_moments=(4, -4, 0, 0), version=(7, 1))
    assert text.endswith("HUBBARD (atomic)\n  U Fe1-3d 5.3\n  U Fe2-3d 5.3\n")
    assert "lda_plus_u" not in text
    assert "Hubbard_U" not in text


def test_u_is_for_pbe_u_alone(iron_oxide):
    for version in ((6, 7), (7, 3)):
        assert "ubbard" not in built(iron_oxide, version=version)


def test_a_width_of_zero_is_refused(oxide):
    with pytest.raises(RecipeError, match="smearing_eV = 0"):
        built(oxide, smearing_eV=0.0)


def test_augmented_potentials_get_a_finer_density(oxide):
    pseudos = {"Mg": potential("Mg"), "O": potential("O", kind="PAW")}
    text = built(oxide, pseudos=pseudos, cutoff_eV=500.0)
    assert float(value(text, "ecutrho")) == pytest.approx(10 * 500 / RYDBERG_EV)
    needy = {"Mg": potential("Mg"), "O": potential("O", kind="US", density_cutoff_eV=7000.0)}
    text = built(oxide, pseudos=needy, cutoff_eV=500.0)
    assert float(value(text, "ecutrho")) == pytest.approx(7000 / RYDBERG_EV)


def test_one_k_point_is_gamma_with_real_wave_functions(oxide):
    box = Structure(Lattice.cubic(40.0), ["O"], [[0, 0, 0]])
    assert built(box).endswith("K_POINTS gamma\n")


def test_what_a_run_changes(oxide):
    run = RunControl(stress=True, density_from_file=True, waves_from_file=True, max_seconds=99.5)
    text = built(oxide, run=run)
    assert value(text, "tstress") == ".true."
    assert value(text, "startingpot") == value(text, "startingwfc") == "'file'"
    assert value(text, "max_seconds") == "99.5"
    bands = built(oxide, run=RunControl("nscf", bands=20))
    assert value(bands, "calculation") == "'nscf'"
    assert value(bands, "nbnd") == "20"
    assert value(bands, "diago_full_acc") == ".true."
    assert "startingpot" not in bands


def test_slabs_are_mixed_with_screening():
    lattice = Lattice.from_parameters(2.86, 2.86, 22.0, 90, 90, 90)
    slab = Structure(lattice, ["Al"] * 2, [[0, 0, 0.1], [0.5, 0.5, 0.2]])
    espresso = engine("espresso")
    bulk = Structure(Lattice.cubic(4.05), ["Al"], [[0, 0, 0]])
    assert own_numbers(Request(slab, espresso.settings("static")))["mixing_mode"] == "local-TF"
    assert own_numbers(Request(bulk, espresso.settings("static")))["mixing_mode"] == "plain"


def test_many_nearly_equal_moments_stay_few_species():
    rng = np.random.default_rng(3)
    moments = 3.7 + 0.01 * rng.normal(size=30)
    species, labels = label_atoms(["Mn"] * 30, moments)
    assert len(species) <= 2
    assert len(labels) == 30
    spread = np.linspace(-5, 5, 40)
    species, _ = label_atoms(["Mn"] * 40, spread)
    assert len(species) <= 9
    assert all(len(one.label) <= 3 for one in species)
    assert min(one.moment for one in species) < -3 < 3 < max(one.moment for one in species)


def test_one_electron_spread_over_a_large_cell_is_not_rounded_away():
    species, labels = label_atoms(["Mg", "O"] * 32, [1 / 64] * 64)
    assert [(one.label, one.moment) for one in species] == [("Mg", 0.1), ("O", 0.1)]
    assert len(labels) == 64


def test_a_moment_of_minus_zero_is_no_species_of_its_own():
    species, _ = label_atoms(["O", "O"], [0.01, -0.01])
    assert [one.label for one in species] == ["O"]
