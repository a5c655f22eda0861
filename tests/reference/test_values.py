"""The tables of published values: complete, valid, and refused when they are not."""

from __future__ import annotations

from collections import Counter
from importlib import resources

import pytest
from pydantic import ValidationError

from defectflow.errors import MissingData
from defectflow.reference import Citation, published, quantities
from defectflow.reference.values import load_tables, same_formula

HEADER = (
    "id,quantity,value,unit,uncertainty,material,structure,defect,species,condition,"
    "host,family,facet,ion,limit,path,cell,functional,citation"
)
ROW = {
    "id": "MIG-900",
    "quantity": "migration_barrier",
    "value": "0.5",
    "unit": "eV",
    "uncertainty": "0.005",
    "material": "Mn2O4",
    "structure": "spinel Fd-3m",
    "defect": "none",
    "species": "Mg2+",
    "condition": "GGA",
    "host": "Mn2O4",
    "family": "spinel",
    "facet": "",
    "ion": "Mg",
    "limit": "charged",
    "path": "",
    "cell": "Mg1 Mn16 O32",
    "functional": "GGA",
    "citation": "Someone2020",
}
CITATIONS = 'Someone2020: {text: "S. Omeone, J. Tests 1, 1 (2020)", doi: 10.1000/xyz123}\n'


@pytest.fixture
def table(tmp_path):
    """Write tables of the given rows into a folder, and return the folder."""

    def write(*rows: dict[str, str], citations: str = CITATIONS):
        (tmp_path / "citations.yaml").write_text(citations, encoding="utf-8")
        lines = [HEADER, *(",".join(row.values()) for row in rows)]
        (tmp_path / "migration.csv").write_text("\n".join(lines), encoding="utf-8")
        return tmp_path

    return write


def test_all_values_load_with_unique_ids_and_a_source():
    values = published()
    assert len(values) == 382
    assert max(Counter(value.id for value in values).values()) == 1
    assert all(value.citation.text for value in values)


def test_every_quantity_of_the_table_of_quantities_is_used():
    assert {value.quantity for value in published()} == set(quantities())


def test_every_citation_is_used():
    import yaml

    text = (resources.files("defectflow.reference") / "values" / "citations.yaml").read_text()
    used = {value.citation.text for value in published()}
    assert {entry["text"] for entry in yaml.safe_load(text).values()} == used


def test_every_host_is_a_formula_and_every_ion_an_element():
    from pymatgen.core import Composition, Element

    for value in published():
        if value.host:
            assert Composition(value.host).num_atoms > 0
        if value.ion:
            assert Element.is_valid_symbol(value.ion)


def test_limits_agree_with_the_composition_of_host_and_cell():
    from pymatgen.core import Composition

    for value in published("migration_barrier"):
        if value.limit == "charged" and value.host:
            assert value.ion not in Composition(value.host)
        if value.limit == "discharged":
            assert value.ion in Composition(value.host)
        if value.limit == "charged" and value.cell:
            assert Composition(value.cell)[value.ion] == 1, value.id


@pytest.mark.parametrize(("limit", "missing"), [("discharged", 1), ("charged", -1)])
def test_cells_hold_one_vacancy_or_one_ion(limit, missing):
    from pymatgen.core import Composition

    checked = 0
    for value in published("migration_barrier", limit=limit):
        if not value.cell:
            continue
        counts = Composition(value.cell).get_el_amt_dict()
        counts[value.ion] += missing
        assert same_formula(Composition(counts).formula, value.host), value.id
        checked += 1
    assert checked > 30


def test_barriers_are_positive_and_below_six_eV():
    assert all(0 < value.value < 6 for value in published("migration_barrier"))


def test_free_energies_of_hydrogen_are_the_energies_plus_the_correction():
    (correction,) = published("free_energy_correction")
    energies = {
        value.material: value.value
        for value in published("adsorption_energy")
        if "0.25 ML" in value.condition and value.species == "H*"
    }
    free = [v for v in published("adsorption_free_energy") if v.species == "H*"]
    assert len(free) == 5
    for value in free:
        assert value.value - energies[value.material] == pytest.approx(correction.value, abs=0.001)


def test_known_numbers():
    by_id = {value.id: value for value in published()}
    assert (by_id["MIG-005"].value, by_id["MIG-005"].host) == (0.776, "Mn2O4")
    assert (by_id["MET-003"].quantity, by_id["MET-003"].host) == ("vacancy_formation_energy", "Al")
    assert by_id["HER-007"].facet == "111"
    assert by_id["VOL-008"].citation.doi == "10.1038/s41467-017-00431-9"


def test_filters_select():
    barriers = published("migration_barrier", host="MnO2", ion="Li", limit="charged")
    assert [value.id for value in barriers] == ["MIG-004"]
    assert published("migration_barrier", ion="Xe") == ()


def test_unknown_quantity_is_refused_with_a_near_name():
    with pytest.raises(MissingData, match="did you mean migration_barrier"):
        published("migration_barier")


def test_a_valid_table_loads(table):
    (value,) = load_tables(table(ROW))
    assert (value.id, value.value, value.citation.doi) == ("MIG-900", 0.5, "10.1000/xyz123")


@pytest.mark.parametrize(
    ("column", "entry", "message"),
    [
        ("value", "high", "MIG-900: value"),
        ("value", "nan", "MIG-900: value"),
        ("unit", "meV", "unit 'meV' of migration_barrier: must be eV"),
        ("quantity", "migration_barier", "did you mean migration_barrier"),
        ("limit", "charge", "MIG-900: limit"),
        ("host", "manganese", "MIG-900: host"),
        ("cell", "MgMn2O4", "MIG-900: cell"),
        ("facet", "(111)", "MIG-900: facet"),
        ("id", "M-1", "M-1: id"),
        ("citation", "Someone2021", "did you mean Someone2020"),
    ],
)
def test_a_wrong_row_is_refused_by_name(table, column, entry, message):
    with pytest.raises(MissingData) as caught:
        load_tables(table({**ROW, column: entry}))
    assert message in str(caught.value)
    assert "migration.csv" in str(caught.value)


def test_a_repeated_id_is_refused(table):
    with pytest.raises(MissingData, match="MIG-900 stands twice"):
        load_tables(table(ROW, ROW))


def test_an_unknown_column_is_refused(table):
    folder = table(ROW)
    path = folder / "migration.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",remark", lines[1] + ",x"]))
    with pytest.raises(MissingData, match="remark"):
        load_tables(folder)


def test_an_empty_citation_is_refused(table):
    with pytest.raises(MissingData, match="Someone2020"):
        load_tables(table(ROW, citations='Someone2020: {text: ""}\n'))


@pytest.mark.parametrize("doi", ["https://doi.org/10.1000/xyz", "10.1/x", "10.1000/", "xyz"])
def test_a_wrong_doi_is_refused(doi):
    with pytest.raises(ValidationError, match="is not a doi"):
        Citation(text="S. Omeone, J. Tests 1, 1 (2020)", doi=doi)


def test_values_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        published()[0].value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Mn2O4", "MnO2", True),
        ("Mg(CoO2)2", "MgCo2O4", True),
        ("Mg1 Mn16 O32", "MgMn16O32", True),
        ("TiS2", "TiO2", False),
        ("LiMn2O4", "Mn2O4", False),
        ("", "", False),
        ("not a formula", "not a formula", False),
    ],
)
def test_same_formula(one, other, same):
    assert same_formula(one, other) is same
