"""What an engine cannot do is refused before anything runs, in one line, with the remedy."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.documents.steps import Image
from defectflow.engines import espresso_program, gpaw_process, vasp_run
from defectflow.engines.contract import Capability
from defectflow.engines.registry import engine_class, engines_with
from defectflow.errors import DefectflowError, EngineError, RecipeError

#: Cases whose elements are known without a program; an imported calculator knows none.
KNOWS_ELEMENTS = ("emt", "eam", "chgnet", "chgnet-d3", "sevennet", "vasp-standin", "guided")


@pytest.fixture
def no_program(any_machine, monkeypatch):
    """Fail where a program is started."""

    def started(*arguments, **fields):
        pytest.fail(f"a program was started: {arguments}")

    monkeypatch.setattr(gpaw_process, "start", started)
    monkeypatch.setattr(espresso_program, "run", started)
    monkeypatch.setattr(vasp_run, "prepare", started)


def one_line(error: Exception) -> str:
    assert "\n" not in str(error)
    return str(error)


def do(job) -> Any:
    """Do what a job does, here."""
    function = getattr(type(job.maker), job.function.__name__).original
    return function(job.maker, *job.function_args, **job.function_kwargs)


# --- capabilities


def test_it_declares_all_that_it_can_do(case, name, make_engine):
    engine = make_engine(name)
    kind = type(engine.dear if name == "guided" else engine)
    assert engine.capabilities() <= kind.declared
    assert Capability.ENERGY in engine.capabilities()
    assert engine.require(*engine.capabilities()) is engine


def test_what_it_lacks_names_the_engines_that_have_it(case):
    for capability in set(Capability) - case.capabilities():
        with pytest.raises(EngineError, match=f"cannot do {capability}; ") as caught:
            case.require(capability)
        able = one_line(caught.value).partition("engines that can: ")[2].split(", ")
        assert able == list(engines_with(capability))
        assert case.name not in able or not case.capabilities() >= engine_class(case.name).declared


def test_each_capability_has_its_maker_and_no_other(name, make_engine, any_machine, copper):
    engine = make_engine(name)
    asking = {
        Capability.DOS: engine.dos_maker,
        Capability.BAND: engine.band_maker,
        Capability.VIBRATIONS: engine.vibrations_maker,
        Capability.STRESS: lambda: engine.relax_maker("relax"),
        Capability.CHARGE: lambda: engine.static_maker().make(copper, charge=-1),
        Capability.SPIN: lambda: engine.relax_maker().make(copper, magnetic_moments=[1.0] * 4),
        Capability.DISPERSION: lambda: make_engine(name, dispersion="d3bj").check(),
    }
    for capability, ask in asking.items():
        if capability in engine.capabilities():
            assert ask() is not NotImplemented
            continue
        with pytest.raises(EngineError, match=f"cannot do {capability}") as caught:
            ask()
        one_line(caught.value)


@pytest.mark.parametrize(
    ("fields", "capability"), [({"charge": 1}, "charge"), ({"magnetic_moments": [1.0] * 4}, "spin")]
)
def test_no_maker_takes_what_the_engine_cannot(potential, copper, fields, capability):
    for verb in ("relax", "static", "vibrations"):
        maker = getattr(potential, f"{verb}_maker")()
        place = [[0]] if verb == "vibrations" else []
        with pytest.raises(EngineError, match=f"cannot do {capability}; engines that can: gpaw, "):
            maker.make(copper, *place, **fields)


def test_a_band_of_charged_ends_needs_an_engine_with_charge(potential, copper):
    forces = [[0, 0, 0]] * 4
    ends = [Image(structure=copper, energy_eV=0, forces_eV_per_A=forces, charge=1)] * 2
    with pytest.raises(EngineError, match="cannot do charge"):
        potential.band_maker().make(*ends)


# --- elements, options, levels, settings


@pytest.mark.parametrize("name", KNOWS_ELEMENTS)
def test_an_unknown_element_is_refused_when_the_flow_is_built(name, make_engine):
    polonium = Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])
    engine = make_engine(name)
    for maker in (engine.relax_maker(), engine.static_maker()):
        with pytest.raises(EngineError, match="does not know Po") as caught:
            maker.make(polonium)
        one_line(caught.value)


def test_an_element_without_data_is_refused_when_the_flow_is_built(dft, make_engine):
    oganesson = Structure(Lattice.cubic(5), ["Og"], [[0, 0, 0]])
    engine = make_engine(dft)
    for maker in (engine.relax_maker(), engine.static_maker(), engine.dos_maker()):
        with pytest.raises(EngineError, match=r"engine .*Og.*put ") as caught:
            maker.make(oganesson)
        one_line(caught.value)


def test_frozen_atoms_in_a_free_cell_are_refused(case, copper, any_machine):
    with pytest.raises(RecipeError, match="cell: relax and 1 frozen"):
        case.relax_maker("relax").make(copper, frozen=[0])


@pytest.mark.parametrize("atom", [4, -1])
def test_a_frozen_atom_that_is_none_is_refused(case, copper, any_machine, atom):
    for maker in (case.relax_maker(), case.static_maker()):
        with pytest.raises(RecipeError, match=f"frozen atom {atom}"):
            maker.make(copper, frozen=[atom])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda e: e.relax_maker(fmax=0.1), "no setting 'fmax'.*fmax_eV_per_A"),
        (lambda e: e.static_maker(strss=True), "no setting 'strss'; did you mean stress"),
        (lambda e: e.relax_maker(fmax_eV_per_A="low"), "'low' is not of type float"),
        (lambda e: e.relax_maker("free"), "cell 'free' does not exist"),
        (lambda e: type(e)(level="exact", options=e.options), "level 'exact' does not exist"),
        (lambda e: type(e)(options=e.options | {"dispersoin": "d3"}), "did you mean dispersion"),
        (lambda e: type(e)(options=e.options | {"dispersion": "d5"}), "dispersion = 'd5'"),
        (
            lambda e: type(e)(options=e.options, overrides={"fmax_eV_per_Å": 1.0}),
            "no setting 'fmax_eV_per_Å'; did you mean fmax_eV_per_A",
        ),
    ],
)
def test_misspelt_requests_are_refused_in_one_line(case, build, says):
    engine = getattr(case, "dear", case)
    with pytest.raises(RecipeError, match=says) as caught:
        build(engine)
    one_line(caught.value)


WITH_U = {"functional": "PBE+U"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"functional": "LDA"}, "functional = 'LDA'"),
        ({"functoinal": "PBE"}, "did you mean functional"),
        ({"spin": "maybe"}, "spin = 'maybe'"),
        ({"hubbard_U_eV": "materials_projcet"}, "did you mean materials_project"),
        ({**WITH_U, "hubbard_U_eV": {"Ce": 5.0}}, "Ce has no open d shell"),
        ({**WITH_U, "hubbard_U_eV": {"O": 5.0}}, "O has no open d shell"),
        ({**WITH_U, "hubbard_U_eV": {"NI": 5.0}}, "'NI' is no element; did you mean Ni"),
        ({**WITH_U, "hubbard_U_eV": {"nickel": 5.0}}, "'nickel' is no element; known:"),
        ({**WITH_U, "hubbard_U_eV": {"Ni": -2.0}}, "Ni = -2: give a U of 0 or more"),
        ({**WITH_U, "hubbard_U_eV": {"Ni": math.nan}}, "Ni = nan"),
        ({"functional": "PBE", "hubbard_U_eV": {"Ni": 5.0}}, "functional PBE takes no U"),
    ],
)
def test_wrong_options_of_electrons_are_refused(with_electrons, make_engine, options, says):
    with pytest.raises(RecipeError, match=says) as caught:
        make_engine(with_electrons, **options)
    one_line(caught.value)


# --- numbers of the electrons

WRONG: list[tuple[dict[str, float], dict[str, Any], str]] = [
    ({"cutoff_eV": 50.0}, {}, "cutoff_eV = 50"),
    ({"cutoff_eV": -400.0}, {}, "cutoff_eV = -400"),
    ({"cutoff_eV": math.nan}, {}, "cutoff_eV = nan"),
    ({"kpoint_spacing_per_A": 0.0}, {}, "kpoint_spacing_per_A = 0"),
    ({"kpoint_spacing_per_A": -1.0}, {}, "kpoint_spacing_per_A = -1"),
    ({"kpoint_spacing_per_A": 1e-4}, {}, "kpoint_spacing_per_A = 0.0001"),
    ({"kpoint_spacing_per_A": math.nan}, {}, "kpoint_spacing_per_A = nan"),
    ({}, {"magnetic_moments": [1.0, 2.0]}, "2 magnetic moments for 4 atoms"),
    ({}, {"magnetic_moments": []}, "0 magnetic moments for 4 atoms"),
    ({}, {"charge": 4 * 29}, r"charge \+116"),
]


def jobs_of(engine, structure, numbers, fields):
    """Build every job that takes these numbers."""
    yield lambda: engine.static_maker(**numbers).make(structure, **fields)
    yield lambda: engine.relax_maker(**numbers).make(structure, **fields)
    yield lambda: engine.vibrations_maker(**numbers).make(structure, [0], **fields)
    if Capability.DOS in engine.capabilities():
        yield lambda: engine.dos_maker(**numbers).make(structure, **fields)


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize(("numbers", "fields", "says"), WRONG)
def test_wrong_numbers_are_refused_before_a_program_starts(
    with_electrons, make_engine, copper, numbers, fields, says
):
    """At the latest by the job: nothing has been computed by then."""
    engine = make_engine(with_electrons)
    for build in jobs_of(engine, copper, numbers, fields):
        with pytest.raises(DefectflowError, match=says) as caught:
            do(build())
        one_line(caught.value)


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize(("numbers", "fields", "says"), WRONG)
def test_wrong_numbers_are_refused_when_the_flow_is_built(
    with_electrons, make_engine, copper, numbers, fields, says
):
    """Before a job of another engine computes for hours: a screen, a geometry, a guide."""
    engine = make_engine(with_electrons)
    for build in jobs_of(engine, copper, numbers, fields):
        with pytest.raises(DefectflowError, match=says):
            build()


@pytest.mark.parametrize("name", ["gpaw", "espresso", "vasp", "vasp-standin"])
@pytest.mark.parametrize("charge", [12, 13, 30])
def test_a_charge_that_leaves_no_valence_electron_is_refused(name, charge, make_engine, no_program):
    """Aluminium has 13 electrons, and 3 of them are treated."""
    aluminium = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]])
    with pytest.raises(DefectflowError, match=rf"charge \+{charge}"):
        do(make_engine(name).static_maker().make(aluminium, charge=charge))


@pytest.mark.parametrize("charge", [0.5, 1.0])
def test_half_a_charge_is_refused(case, any_machine, no_program, copper, charge):
    with pytest.raises(DefectflowError, match="charge"):
        do(case.static_maker().make(copper, charge=charge))


@pytest.mark.parametrize("limit", [0.0, -0.1, math.nan])
def test_a_threshold_that_no_force_meets_is_refused(case, any_machine, limit):
    with pytest.raises(RecipeError, match="fmax_eV_per_A"):
        case.relax_maker(fmax_eV_per_A=limit)


def test_a_moment_that_is_no_number_is_refused(with_electrons, make_engine, no_program, copper):
    job = make_engine(with_electrons).static_maker
    with pytest.raises(DefectflowError, match="moment"):
        do(job().make(copper, magnetic_moments=[1.0, math.nan, 0.0, 0.0]))
