"""A result meets the published values for its own host, structure type, ion and limit only."""

from __future__ import annotations

import pytest

from defectflow.documents import (
    EngineStamp,
    MigrationBarrierDocument,
    ResultDocument,
    SurfaceEnergyDocument,
    now,
)
from defectflow.documents.steps import RelaxDocument
from defectflow.documents.surfaces import SurfaceTermination
from defectflow.reference import Conditions, match, published
from defectflow.reference.conditions import structure_type
from defectflow.reference.values import same_formula
from defectflow.structures import hosts


def ids(formula, family, ion, limit, *, cell=""):
    values = match(Conditions("migration_barrier", "eV", formula, family, ion, limit, cell))
    return [value.id for value in values]


@pytest.mark.parametrize(
    ("formula", "family", "ion", "limit", "expected"),
    [
        ("TiS2", "1T", "Mg", "charged", ["MIG-111", "MIG-169"]),
        ("MnO2", "spinel", "Mg", "charged", ["MIG-005"]),
        ("MnO2", "spinel", "Li", "charged", ["MIG-004"]),
        ("LiMn2O4", "spinel", "Li", "discharged", ["MIG-001"]),
        ("Mg(CoO2)2", "spinel", "Mg", "discharged", ["MIG-009"]),
        ("TiS2", "rocksalt", "Mg", "charged", []),
        ("CrO2", "spinel", "Mg", "charged", ["MIG-027", "MIG-150", "MIG-151"]),
        ("V2O5", "delta", "Mg", "charged", ["MIG-083"]),
        ("V2O5", "alpha", "Mg", "charged", ["MIG-077"]),
        ("Mo6S8", "Chevrel", "Mg", "charged", ["MIG-105"]),
    ],
)
def test_published_barriers_by_host_structure_ion_and_limit(formula, family, ion, limit, expected):
    assert ids(formula, family, ion, limit) == expected


def test_the_limit_keeps_empty_and_full_host_apart():
    assert "MIG-004" not in ids("LiMn2O4", "spinel", "Li", "discharged")
    assert "MIG-001" not in ids("MnO2", "spinel", "Li", "charged")
    assert ids("LiMn2O4", "spinel", "Li", "charged") == []


def test_divacancies_and_intermediate_compositions_match_neither_limit():
    assert ids("LiCoO2", "O3", "Li", "discharged") == ["MIG-119"]
    assert ids("Mg0.5Cr2O4", "spinel", "Mg", "charged") == []


def test_a_host_of_unknown_structure_type_meets_all_types_its_own_name_first():
    assert ids("TiS2", None, "Mg", "charged") == ["MIG-111", "MIG-169", "MIG-043"]
    assert ids("Ti2S4", None, "Mg", "charged")[0] == "MIG-043"


def test_a_row_of_unknown_structure_type_still_matches():
    assert ids("NiO2", "O3", "Mg", "charged") == ["MIG-096"]


def test_the_easiest_of_several_published_hops_comes_first():
    assert ids("Mg2Mo3O8", None, "Mg", "discharged") == ["MIG-109", "MIG-110"]
    assert ids("LiFePO4", "olivine", "Li", "discharged") == ["MIG-139", "MIG-171", "MIG-172"]


def test_hosts_with_other_defects_are_never_matched():
    doped = [v for v in published("migration_barrier") if v.material == "Cr-doped Li4Ti5O12"]
    assert doped
    assert ids("Li4Ti5O12", "spinel", "Mg", "unstated") == ["REV-001"]


def test_every_row_with_a_limit_is_found_by_its_own_conditions():
    for value in published("migration_barrier"):
        if value.host and value.limit in ("charged", "discharged"):
            found = ids(value.host, value.family or None, value.ion, value.limit)
            assert value.id in found


def test_structure_types_of_the_prototypes_are_those_of_the_tables():
    """A prototype named unlike the tables would silently meet no published value."""
    known = {value.family.casefold() for value in published() if value.family}
    ours = {structure_type(name).casefold() for name in hosts.prototypes()}
    absent = "birnessite black bronze lepidocrocite monoclinic mxene p2 patronite pyrite rocksalt"
    absent += " stibnite tetragonal zincblende b2 li2mno3 li2ruo3"
    assert ours - known <= set(absent.split()), "neither in the tables nor known to be absent"
    assert {"spinel", "1t", "o3", "alpha", "delta", "alphai", "olivine", "chevrel"} <= ours & known


@pytest.mark.parametrize(
    ("name", "ion", "limit", "expected"),
    [
        ("1T-TiS2", "Mg", "charged", "MIG-111"),
        ("spinel-Mn2O4", "Mg", "charged", "MIG-005"),
        ("spinel-Mn2O4", "Li", "charged", "MIG-004"),
        ("spinel-LiMn2O4", "Li", "discharged", "MIG-001"),
        ("spinel-Ti2S4", "Mg", "charged", "MIG-043"),
        ("O3-LiCoO2", "Li", "discharged", "MIG-119"),
        ("alphaI-VOPO4", "Na", "charged", "MIG-132"),
        ("olivine-LiFePO4", "Li", "discharged", "MIG-139"),
        ("anatase-TiO2", "Li", "charged", "MIG-116"),
        ("rutile-TiO2", "Li", "charged", "MIG-117"),
        ("Chevrel-Mo6S8", "Ca", "charged", "MIG-107"),
        ("alpha-V2O5", "Mg", "charged", "MIG-077"),
        ("delta-V2O5", "Mg", "charged", "MIG-083"),
    ],
)
def test_prototypes_meet_their_published_barriers(name, ion, limit, expected):
    assert ids(hosts.prototype(name).formula, structure_type(name), ion, limit)[0] == expected


def test_another_unit_does_not_match():
    assert match(Conditions("migration_barrier", "meV", "TiS2", "1T", "Mg", "charged")) == ()


def test_document_of_a_prototype(barrier):
    assert [value.value for value in match(barrier())] == [1.14, 1.06]


def test_discharged_document(barrier):
    document = barrier(
        host="spinel-Mn2O4",
        prototype="spinel-Mn2O4",
        host_formula="LiMn2O4",
        species="Li",
        limit="discharged",
    )
    assert [value.id for value in match(document)] == ["MIG-001"]


def test_document_of_another_quantity_is_matched_by_its_host():
    document = ResultDocument(
        recipe="r",
        quantity="vacancy_formation_energy",
        value=0.6,
        unit="eV",
        host="fcc-Al",
        defect="V_Al",
        species="Al",
        converged=True,
        key="0" * 64,
        created=now(),
        engine=EngineStamp(name="emt", fidelity="stand-in", level="balanced"),
    )
    assert [value.id for value in match(document)] == ["MET-003"]


def test_given_end_points_are_matched_by_the_whole_cell(barrier, hop):
    document = barrier(
        limit="given",
        host="MnO2",
        prototype=None,
        host_formula="LiMn2O4",
        species="Li",
        host_cell="given",
        hops=(hop("Li7 Mn16 O32"),),
    )
    assert [value.id for value in match(document)] == ["MIG-001"]


def test_conditions_of_a_document_without_prototype(barrier):
    document = barrier(prototype=None, host="TiS2")
    assert isinstance(document, MigrationBarrierDocument)
    conditions = Conditions.from_document(document)
    assert conditions.family is None
    assert same_formula(conditions.formula, "TiS2")


def test_a_result_in_a_generated_cell_meets_no_value_of_the_crystal(barrier):
    crystal = barrier(
        host="fcc-Cu", host_formula="Cu", prototype="fcc-Cu", species="Cu", limit="discharged"
    )
    assert match(crystal)
    changes = {"host": "fcc-Cu Σ5(310)[001]_1", "prototype": None}
    assert not match(crystal.model_copy(update=changes))


def test_a_generated_cell_of_another_composition_meets_the_values_of_that_composition(barrier):
    changes = {"species": "Mg", "limit": "discharged", "prototype": None}
    document = barrier(host="spinel-LiMn2O4 8Mg_Li", host_formula="MgMn2O4", **changes)
    assert "MIG-002" in [value.id for value in match(document)]


@pytest.mark.parametrize(
    ("miller", "atoms", "value"),
    [
        ((1, 1, 0), "relaxed", 2.37),
        ((0, 1, 1), "relaxed", 2.37),
        ((0, 0, 1), "relaxed", 2.41),
        ((1, 1, 1), "relaxed", 2.58),
        ((1, 2, 2), "relaxed", None),
        ((1, 1, 0), "fixed", None),
    ],
)
def test_surfaces_are_matched_by_their_family_of_planes(barrier, miller, atoms, value):
    """The PBE values of iron of the table, whichever plane of the family was cut."""
    said = barrier()
    iron = hosts.load("bcc-Fe").structure
    step = RelaxDocument.model_construct(structure=iron)
    surface = SurfaceTermination.model_construct(name="x", miller=miller)
    fields = {name: getattr(said, name) for name in ("recipe", "engine", "key", "created")}
    document = SurfaceEnergyDocument.model_construct(
        **fields,
        host="bcc-Fe",
        host_formula="Fe",
        prototype="bcc-Fe",
        species="Fe",
        defect="x",
        atoms=atoms,
        relaxed_host=step,
        surfaces=(surface,),
    )
    found = [one.value for one in match(document)]
    assert found == ([] if value is None else [value])
