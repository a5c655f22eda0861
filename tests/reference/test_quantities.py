"""Results of every quantity meet the published values that are of the same thing."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.documents import (
    AdsorptionDocument,
    AtomDos,
    BandDescription,
    BandGapDocument,
    ChemicalPotential,
    DBandCenterDocument,
    DefectDocument,
    DefectFormationEnergyDocument,
    DosDocument,
    EngineStamp,
    EquationOfStateDocument,
    FreeEnergyDocument,
    PotentialLimit,
    RelaxDocument,
    now,
)
from defectflow.reference import compare, match, published

STAMP = EngineStamp(name="gpaw", functional="PBE", fidelity="dft", level="balanced")
CRYSTAL = Structure(Lattice.cubic(4.0), ["Al"], [[0, 0, 0]])
STEP = RelaxDocument(
    structure=CRYSTAL,
    energy_eV=-3.7,
    forces_eV_per_A=((0.0, 0.0, 0.0),),
    fmax_eV_per_A=0.0,
    force_threshold_eV_per_A=0.03,
    converged=True,
    steps=0,
    force_calls=1,
    wall_time_s=1.0,
    cell="fixed",
    engine=STAMP,
)
DOS = DosDocument(
    structure=CRYSTAL,
    energy_eV=-3.7,
    energies_eV=(-1.0, 0.0, 1.0),
    total=((1.0, 1.0, 1.0),),
    atoms=(AtomDos(symbol="Al", orbitals={}),),
    fermi_eV=0.0,
    width_eV=0.1,
    gap_eV=0.0,
    direct=None,
    vbm_eV=None,
    cbm_eV=None,
    force_calls=1,
    wall_time_s=1.0,
    engine=STAMP,
)


def shared(**changes):
    return {
        "recipe": "r",
        "key": "0" * 64,
        "created": now(),
        "engine": STAMP,
        "converged": True,
        "host_cell": "relax",
        "force_calls": 1,
        "wall_time_s": 1.0,
    } | changes


def formation(element, family, value=0.6):
    return DefectFormationEnergyDocument(
        **shared(
            host=f"{family}-{element}",
            host_formula=element,
            prototype=f"{family}-{element}",
            defect=f"V_{element}",
            species=element,
            value=value,
            host_lattice=((4.0, 0, 0), (0, 4.0, 0), (0, 0, 4.0)),
            supercell_matrix=((2, 0, 0), (0, 2, 0), (0, 0, 2)),
            nearest_image_A=8.0,
            relaxed_host=STEP,
            pristine=STEP,
            defects=(),
            chemical_potentials=(),
        )
    )


def oxygen_vacancy(**changes):
    oxide = {"host": "rocksalt-MgO", "host_formula": "MgO", "prototype": "rocksalt-MgO"}
    return formation("O", "rocksalt").model_copy(update=oxide | changes)


def adsorption(element, functional="RPBE", facet="111"):
    return AdsorptionDocument(
        **shared(
            engine=STAMP.model_copy(update={"functional": functional}),
            quantity="adsorption_free_energy",
            host=f"fcc-{element}",
            host_formula=element,
            prototype=f"fcc-{element}",
            defect="H on (111), fcc",
            species="H",
            value=0.0,
            facet=facet,
            site="fcc",
            coverage_ML=0.25,
            layers=4,
            frozen_layers=2,
            vacuum_A=12.0,
            adsorption_energy_eV=-0.24,
            relaxed_host=STEP,
            slab=STEP,
            gas=(),
            sites=(),
        )
    )


def d_band(element, cell="slab"):
    band = BandDescription(center_eV=-2.0, width_eV=1.5, states=9.5, filling=0.9)
    return DBandCenterDocument(
        **shared(
            host=f"fcc-{element}",
            host_formula=element,
            prototype=f"fcc-{element}",
            defect="(111) surface atom" if cell == "slab" else "bulk atom",
            species=element,
            value=-2.0,
            cell=cell,
            facet="111" if cell == "slab" else "",
            dos=DOS,
            element=element,
            atoms=(0,),
            window_eV=(-10.0, 2.0),
            total=band,
        )
    )


def gap(defect="", species=""):
    return BandGapDocument(
        **shared(
            host="anatase-TiO2",
            host_formula="TiO2",
            prototype="anatase-TiO2",
            defect=defect,
            species=species,
            value=2.1,
            cell="defect" if defect else "bulk",
            dos=DOS,
            direct=False,
            vbm_eV=-1.0,
            cbm_eV=1.1,
        )
    )


def volume(element, family):
    return EquationOfStateDocument(
        **shared(
            host=f"{family}-{element}",
            host_formula=element,
            prototype=f"{family}-{element}",
            defect="",
            species="",
            value=16.5,
            host_cell="keep",
            atoms="fixed",
            volumes_A3=(),
            energies_eV=(),
            bulk_modulus_GPa=78.0,
            pressure_derivative=4.5,
            energy_eV=-15.0,
            residual_meV_per_atom=0.0,
            points=(),
        )
    )


@pytest.mark.parametrize(
    ("element", "family", "expected"),
    [("Al", "fcc", 0.61), ("Cu", "fcc", 1.07), ("Pt", "fcc", 0.61), ("Mg", "hcp", 0.78)],
)
def test_vacancies(element, family, expected):
    best = match(formation(element, family))[0]
    assert (best.value, best.quantity) == (expected, "vacancy_formation_energy")


def test_a_vacancy_meets_no_other_defect_and_no_other_element():
    assert match(formation("Al", "hcp")) == ()
    (comparison,) = compare([formation("Xe", "fcc")])
    assert comparison.note == "no published value for this host and defect"


def test_a_charged_vacancy_does_not_stand_beside_a_neutral_one():
    assert match(oxygen_vacancy())[0].id == "OXV-001"
    assert match(oxygen_vacancy(charge=2)) == ()
    (comparison,) = compare([oxygen_vacancy(charge=2)])
    assert "its charge is +2, published vacancies are neutral" in comparison.note


@pytest.mark.parametrize("name", ["V_O+V_Mg", "V_O+V_Mg_1", "V_O+Mg_i"])
def test_a_complex_does_not_stand_beside_an_isolated_vacancy(name):
    (comparison,) = compare([oxygen_vacancy(defect=name)])
    assert comparison.published is None
    assert f"{name} is a complex" in comparison.note
    assert match(oxygen_vacancy(defect="V_O_2"))[0].id == "OXV-001"


def test_single_and_double_vacancies_of_graphene_are_two_things():
    graphene = {"host": "graphene", "host_formula": "C", "prototype": "graphene"}
    double, single = (
        formation("C", "graphene").model_copy(update={**graphene, "defect": name})
        for name in ("2V_C_1", "V_C")
    )
    assert [value.id for value in match(double)] == ["REV-071"]
    assert match(single) == ()


def test_a_dopant_named_like_a_vacancy_is_none():
    dopant = DefectDocument.model_construct(name="V_O", added={"V": 1, "O": -1})
    assert match(oxygen_vacancy(defects=(dopant,))) == ()


@pytest.mark.parametrize(("below_eV", "expected"), [(0.0, "OXV-001"), (5.84, None)])
def test_vacancies_meet_published_ones_at_the_same_reservoir_only(below_eV, expected):
    energies = {"Mg": -1.5, "O": -4.9 - below_eV}
    relative = {"Mg": below_eV - 6.0, "O": -below_eV}
    name = "O-poor" if below_eV else "O-rich"
    document = oxygen_vacancy(
        limits=(
            PotentialLimit(phases=("x",), chemical_potentials_eV={"Mg": 0.0, "O": 0.0}),
            PotentialLimit(phases=("y",), chemical_potentials_eV=energies, relative_eV=relative),
        ),
        chemical_potentials=tuple(
            ChemicalPotential(element=one, energy_eV=energy, source=f"{name}: rocksalt-MgO with y")
            for one, energy in energies.items()
        ),
    )
    assert document.at_limit == name
    (comparison,) = compare([document])
    assert (comparison.published and comparison.published.id) == expected
    assert ("O is 5.84 eV below its standard state (O-poor)" in comparison.note) == bool(below_eV)


@pytest.mark.parametrize(("element", "expected"), [("Al", 0.58), ("Cu", 0.72)])
def test_hops_of_vacancies_in_elements(barrier, element, expected):
    document = barrier(
        host=f"fcc-{element}",
        prototype=f"fcc-{element}",
        host_formula=element,
        species=element,
        limit="discharged",
    )
    (best,) = match(document)
    assert (best.value, best.quantity) == (expected, "vacancy_migration_energy")


@pytest.mark.parametrize(("element", "expected"), [("Pt", -0.085), ("Cu", 0.225), ("Au", 0.645)])
def test_hydrogen_on_metals(element, expected):
    (comparison,) = compare([adsorption(element)])
    assert comparison.published.value == expected
    assert "dE_H(0.25 ML) + 0.24" in comparison.note
    assert "functional" not in comparison.note


def test_oxygen_species_on_platinum_are_not_hydrogen():
    assert {value.species for value in match(adsorption("Pt"))} == {"H*"}


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("(001) with CoN4", [3.9]),
        ("(001) with CoN4-O", [4.1]),
        ("(001) with FeN4", []),
        ("(001)", []),
    ],
)
def test_single_atoms_in_graphene_are_told_from_each_other_and_from_graphene(surface, expected):
    sheet = {"host": "graphene", "host_formula": "C", "prototype": "graphene", "facet": "001"}
    document = adsorption("Pt").model_copy(update={**sheet, "species": "OOH", "surface": surface})
    assert [value.value for value in match(document)] == expected
    assert match(document.model_copy(update={"strain": 0.02})) == ()


def test_another_facet_or_functional():
    assert match(adsorption("Pt", facet="100")) == ()
    (comparison,) = compare([adsorption("Pt", functional="PBE")])
    assert "functional: ours PBE, published RPBE" in comparison.note


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"potential_V": -1.0, "potential_eV": -0.5}, "at -1 V,"),
        ({"potential_V": 0.0, "pH": 7.0, "potential_eV": 0.21}, "at 0 V and pH 7,"),
        ({"solvation_eV": -0.5}, "solvation of -0.5 eV counted,"),
        ({"oxygen_eV": -2.46}, "O counted against O2,"),
        ({"temperature_K": 900.0}, "at 900 K,"),
    ],
)
def test_free_energies_at_other_conditions_meet_no_standard_ones(terms, said):
    document = adsorption("Pt").model_copy(update={"free_energy": FreeEnergyDocument(**terms)})
    (comparison,) = compare([document])
    assert (comparison.published, comparison.error) == (None, None)
    assert comparison.note.startswith(f"not set beside published values: {said}")


@pytest.mark.parametrize(
    "terms", [{"temperature_K": 300.0}, {"potential_V": -0.41, "pH": 7.0, "potential_eV": 2e-4}]
)
def test_free_energies_at_standard_conditions_meet_theirs(terms):
    document = adsorption("Pt").model_copy(update={"free_energy": FreeEnergyDocument(**terms)})
    assert match(document)[0].id == "HER-029"


@pytest.mark.parametrize(
    ("coverage_ML", "first"), [(1.0, "HER-018"), (0.25, "HER-065"), (1 / 9, "HER-065")]
)
def test_adsorption_energies_meet_those_of_their_coverage(coverage_ML, first):
    changes = {"quantity": "adsorption_energy", "coverage_ML": coverage_ML}
    document = adsorption("Pt", functional=None).model_copy(update=changes)
    assert match(document)[0].id == first
    assert "coverage" not in compare([document])[0].note.replace("low coverage", "")


def test_another_coverage_is_said():
    (comparison,) = compare([adsorption("Pt").model_copy(update={"coverage_ML": 1.0})])
    assert comparison.published.id == "HER-029"
    assert "coverage: ours 1 ML, published 0.25 ML" in comparison.note


@pytest.mark.parametrize(
    ("element", "cell", "expected"),
    [("Cu", "slab", -2.23), ("Pt", "slab", -1.884), ("Cu", "bulk", -2.359)],
)
def test_d_bands_of_surface_and_bulk(element, cell, expected):
    (comparison,) = compare([d_band(element, cell)])
    assert comparison.published.value == expected
    assert "method not documented" in comparison.note


def test_gaps_of_anatase_say_that_the_published_ones_are_of_nanosheets():
    pristine, defective = compare([gap(), gap("V_O", "O")])
    assert (pristine.published.value, defective.published.value) == (3.3, 1.79)
    for comparison in (pristine, defective):
        assert "nanosheet" in comparison.note
    assert all(value.defect == "none" for value in match(gap()))


@pytest.mark.parametrize(
    ("element", "family", "expected"), [("Al", "fcc", 16.4796), ("Ti", "hcp", 17.39)]
)
def test_volumes(element, family, expected):
    (comparison,) = compare([volume(element, family)])
    assert comparison.published.value == expected
    assert comparison.row()["unit"] == "A3/atom"


@pytest.mark.parametrize("host", ["fcc-Cu twin(111)_1", "fcc-Cu strain +8% along x", "Cu twin"])
@pytest.mark.parametrize("made", [volume, formation, d_band, adsorption])
def test_no_value_of_the_crystal_stands_beside_a_generated_cell(host, made):
    document = made("Cu") if made in (d_band, adsorption) else made("Cu", "fcc")
    assert match(document)
    generated = document.model_copy(update={"host": host, "prototype": None})
    (comparison,) = compare([generated])
    assert comparison.published is None
    assert f"the host is {host}, published ones are the perfect crystal" in comparison.note


def test_volumes_and_moduli_come_in_pairs():
    for quantity in ("equilibrium_volume", "bulk_modulus"):
        rows = {
            v.host for v in published(quantity) if v.citation.doi == "10.1080/10408436.2013.772503"
        }
        assert len(rows) == 10
