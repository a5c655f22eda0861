"""Pictures show the numbers of the documents."""

from __future__ import annotations

import html

import matplotlib as mpl
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.text import Text
from pymatgen.core import Lattice, Structure

from defectflow.cli import main
from defectflow.documents import (
    AdsorptionDocument,
    AtomDos,
    BandDescription,
    DBandCenterDocument,
    DosDocument,
    EngineStamp,
    FreeEnergyDocument,
    Intermediate,
    OverpotentialDocument,
    ReactionState,
    RelaxDocument,
)
from defectflow.documents.adsorption import FreeEnergyCorrection
from defectflow.errors import MissingData, RecipeError
from defectflow.report import plots
from defectflow.report.adsorption_lines import d_band_lines, strain_lines
from defectflow.store import open_store

STAMP = EngineStamp(name="gpaw", functional="RPBE", fidelity="dft", level="balanced")
CRYSTAL = Structure(Lattice.cubic(4.0), ["Pt"], [[0, 0, 0]])
STEP = RelaxDocument(
    structure=CRYSTAL,
    energy_eV=-1.0,
    forces_eV_per_A=((0.0, 0.0, 0.0),),
    fmax_eV_per_A=0.0,
    force_threshold_eV_per_A=0.03,
    converged=True,
    steps=0,
    force_calls=1,
    wall_time_s=0.0,
    cell="fixed",
    engine=STAMP,
)


def shared(host: str, value: float | None) -> dict:
    return {
        "recipe": "r",
        "key": host,
        "created": "2026-01-01T00:00:00+00:00",
        "engine": STAMP,
        "host": host,
        "host_formula": "Pt",
        "converged": value is not None,
        "value": value,
        "facet": "111",
        "force_calls": 1,
        "wall_time_s": 0.0,
    }


def adsorbed(host: str, value: float | None, strain: float = 0.0, species: str = "H"):
    return AdsorptionDocument(
        **shared(host, value),
        quantity="adsorption_free_energy",
        species=species,
        defect=f"{species} on (111), fcc",
        host_cell="relax",
        site="fcc",
        coverage_ML=0.25,
        layers=4,
        frozen_layers=2,
        vacuum_A=12.0,
        adsorption_energy_eV=value,
        strain=strain,
        relaxed_host=STEP,
        slab=STEP,
        gas=(),
        sites=(),
    )


def reaction(host: str, name: str, energies: dict[str, float]) -> OverpotentialDocument:
    states = [ReactionState(label="*", free_energy_eV=0.0, at_potential_eV=0.0)]
    states += [
        ReactionState(label=label, free_energy_eV=energy, at_potential_eV=energy - 1.23)
        for label, energy in energies.items()
    ]
    return OverpotentialDocument(
        **shared(host, 0.5),
        species=name,
        defect=f"{name} on (111)",
        reaction=name,
        limiting_potential_V=0.7,
        equilibrium_potential_V=1.23,
        limiting_step="",
        potential_V=1.23,
        temperature_K=298.15,
        states=tuple(states),
        steps=(),
        intermediates=tuple(
            Intermediate(
                adsorbate=label, site="fcc", adsorption_energy_eV=None, free_energy_eV=e, key="0"
            )
            for label, e in energies.items()
        ),
    )


def d_band(host: str, center: float) -> DBandCenterDocument:
    grid = np.linspace(-10, 4, 141)
    curve = tuple(np.exp(-((grid - center) ** 2)))
    dos = DosDocument(
        structure=CRYSTAL,
        energy_eV=0.0,
        energies_eV=tuple(grid),
        total=(curve,),
        atoms=(AtomDos(symbol="Pt", orbitals={"d": (curve,)}),),
        fermi_eV=0.0,
        width_eV=0.1,
        gap_eV=0.0,
        direct=None,
        vbm_eV=None,
        cbm_eV=None,
        force_calls=1,
        wall_time_s=0.0,
        engine=STAMP,
    )
    total = BandDescription(center_eV=center, width_eV=1.0, states=10.0, filling=0.9)
    return DBandCenterDocument(
        **shared(host, center),
        species="Pt",
        defect="(111) surface atom",
        host_cell="relax",
        cell="slab",
        dos=dos,
        element="Pt",
        atoms=(0,),
        window_eV=(-10, 2),
        total=total,
    )


def entries(figure):
    """Return the words of a legend outside the axes."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def lines(figure):
    return [line.get_xydata() for line in figure.axes[0].get_lines()]


def test_states_are_drawn_at_their_energies_at_both_potentials(tmp_path):
    figure = plots.free_energy_diagram([reaction("Pt", "ORR", {"OOH*": 3.9, "O*": 1.7})])
    bars = {round(float(line[0, 1]), 3) for line in lines(figure) if line[0, 1] == line[1, 1]}
    assert {0.0, 3.9, 1.7, 2.67, 0.47} <= bars
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert labels == ["*", "OOH*", "O*"]
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_points_of_a_volcano_lie_on_its_branch():
    figure = plots.volcano([adsorbed("Pt", -0.08), adsorbed("Au", 0.6), adsorbed("x", None)])
    branch, *points = lines(figure)
    assert [float(point[0, 0]) for point in points] == [-0.08, 0.6]
    for point in points:
        x, y = point[0]
        assert np.interp(x, branch[:, 0], branch[:, 1]) == pytest.approx(y, abs=0.05)


def test_a_volcano_leaves_out_what_is_at_other_conditions():
    biased = FreeEnergyDocument(potential_V=-1.0, potential_eV=-0.5)
    moved = adsorbed("Pt", -1.3).model_copy(update={"free_energy": biased})
    figure = plots.volcano([moved, adsorbed("Pt", -0.08)])
    assert [line[0, 0] for line in lines(figure)[1:]] == [pytest.approx(-0.08)]
    hot = reaction("Pt", "HER", {"H*": -0.1}).model_copy(update={"temperature_K": 900.0})
    with pytest.raises(MissingData, match="at 298 K and 0 V"):
        plots.volcano([moved, hot])
    asked = {"recipe_input": {"solvation_eV": {"H": -0.2}}}
    wet = reaction("Pt", "HER", {"H*": -0.1}).model_copy(update=asked)
    with pytest.raises(MissingData, match="without solvation"):
        plots.volcano([wet])
    said = entries(plots.free_energy_diagram([wet, hot]))
    assert "solvation of H* -0.2 eV" in said[0]
    assert "at 900 K" in said[2]


def test_names_on_a_volcano_tell_strains_and_recipes_apart():
    results = [adsorbed("Pt", -0.3 + strain, strain) for strain in (-0.02, 0.0, 0.02)]
    results.append(adsorbed("Pt", -0.05).model_copy(update={"recipe": "other"}))
    results.append(adsorbed("Pt", -0.05).model_copy(update={"recipe": "again"}))
    names = [text.get_text() for text in plots.volcano(results).axes[0].texts]
    assert sorted(names) == [
        "Pt(111) +2%, gpaw",
        "Pt(111) -2%, gpaw",
        "Pt(111), gpaw, other",
        "Pt(111), gpaw, r",
    ]


@pytest.mark.parametrize("number", [2, 6, 14])
def test_names_on_a_volcano_do_not_cover_each_other(number):
    results = [adsorbed(f"M{k}", -0.3 + 0.002 * k) for k in range(number)]
    results += [adsorbed(f"N{k}", 0.2) for k in range(3)]
    figure = plots.volcano(results)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]  # without arrows
    assert len(boxes) == number + 3
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:k])
        assert figure.bbox.y0 <= one.y0 < one.y1 <= figure.bbox.y1


def test_the_legend_of_states_covers_none_of_them():
    results = [reaction(f"M{k}", "ORR", {"OOH*": 3.9, "O*": 0.1 * k}) for k in range(8)]
    figure = plots.free_energy_diagram(results)
    figure.canvas.draw()
    (legend,) = figure.legends
    assert legend.get_window_extent().y1 <= figure.axes[0].get_window_extent().y0
    assert len(entries(figure)) == 16


def test_oxygen_volcanoes_take_reactions():
    ideal = reaction("RuO2", "OER", {"OH*": 1.0, "O*": 2.6, "OOH*": 4.2})
    figure = plots.volcano([ideal, adsorbed("Pt", 0.1)], "OER")
    assert lines(figure)[1][0] == pytest.approx([1.6, -0.5]), "its own overpotential"
    branch = lines(figure)[0]
    assert np.interp(1.6, branch[:, 0], branch[:, 1]) == pytest.approx(-0.37, abs=0.01)
    reduced = reaction("Pt", "ORR", {"OH*": 0.75})
    assert lines(plots.volcano([reduced], "ORR"))[1][0] == pytest.approx([0.75, -0.5])
    with pytest.raises(MissingData, match="volcano of ORR: no converged result"):
        plots.volcano([ideal], "ORR")


def test_the_centre_of_a_band_is_marked():
    figure = plots.d_band([d_band("Pt", -2.5)])
    marks = [line for line in lines(figure) if line[0, 0] == line[1, 0]]
    assert -2.5 in {float(mark[0, 0]) for mark in marks}


def test_strain_is_in_per_cent_and_in_order():
    results = [adsorbed("Pt", 0.3, 0.04), adsorbed("Pt", 0.1, -0.04), adsorbed("Pt", 0.2)]
    (line,) = lines(plots.strain([*results, adsorbed("Cu", 0.0)]))
    assert line[:, 0] == pytest.approx([-4, 0, 4])
    assert line[:, 1] == pytest.approx([0.1, 0.2, 0.3])
    with pytest.raises(MissingData, match="at two strains"):
        plots.strain([adsorbed("Cu", 0.0)])


def test_correlation_pairs_the_same_surfaces():
    results = [d_band("Pt", -2.5), d_band("Cu", -2.3), d_band("Ag", -4.0)]
    results += [adsorbed("Pt", -0.1), adsorbed("Cu", 0.2), adsorbed("Au", 0.5)]
    ((name, pairs),) = d_band_lines(results)
    assert name == "ΔG H, gpaw"
    assert pairs == [("Cu(111)", -2.3, 0.2), ("Pt(111)", -2.5, -0.1)]
    figure = plots.d_band_correlation(results)
    assert "slope 1.50, r = 1.00" in figure.axes[0].get_legend().get_texts()[0].get_text()
    with pytest.raises(MissingData, match="1 surfaces have"):
        d_band_lines([d_band("Pt", -2.5), adsorbed("Pt", -0.1)])


#: What may tell two results at one strain apart, and how the line is then called.
OTHERWISE = {
    "site": ({"site": "top"}, ("fcc", "top")),
    "asked site": ({"recipe_input": {"site": "lowest"}}, ("fcc", "lowest site")),
    "coverage": ({"coverage_ML": 1.0}, ("0.25 ML", "1 ML")),
    "slab": ({"layers": 6}, ("4 layers, 2 frozen", "6 layers, 2 frozen")),
    "correction": (
        {"correction": FreeEnergyCorrection(name="fixed", value_eV=0.2, source="")},
        ("gpaw", "fixed"),
    ),
    "potential": (
        {"free_energy": FreeEnergyDocument(potential_V=0.4, pairs=1.0)},
        ("gpaw", "0.4 V, solvation 0 eV"),
    ),
    "level": ({"engine": STAMP.model_copy(update={"level": "fast"})}, ("balanced", "fast")),
    "model": ({"engine": STAMP.model_copy(update={"functional": "PBE"})}, ("RPBE", "PBE")),
    "options": ({"engine": STAMP.model_copy(update={"options": {"spin": 1}})}, ("", "spin")),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_on_a_line_only_the_strain_differs(what):
    changes, says = OTHERWISE[what]
    strained = [adsorbed("Pt", 0.1 * k, 0.02 * k) for k in (0, 1)]
    others = [adsorbed("Pt", 0.1 * k + 1.0, 0.02 * k) for k in (0, 1)]
    changed = [one.model_copy(update=changes) for one in others]
    found = strain_lines([*changed, *strained])
    assert [points for _, points in found] == [{0.0: 1.0, 0.02: 1.1}, {0.0: 0.0, 0.02: 0.1}]
    for (label, _), word in zip(found, reversed(says), strict=True):
        assert word in label
    (alone,) = strain_lines([changed[0], *strained])
    assert alone == ("ΔG H on Pt(111), gpaw", {0.0: 0.0, 0.02: 0.1})


def test_a_line_of_a_correlation_is_by_one_engine_under_the_same_conditions():
    bands = [d_band("Pt", -2.5), d_band("Cu", -2.3)]
    values = [adsorbed("Pt", -0.1), adsorbed("Cu", 0.2)]
    fast = {"engine": STAMP.model_copy(update={"level": "fast"})}
    with pytest.raises(MissingData, match="1 surfaces have"):
        d_band_lines([*bands, values[0], values[1].model_copy(update=fast)])
    tops = [one.model_copy(update={"site": "top", "value": one.value + 1}) for one in values]
    found = d_band_lines([*bands, tops[0], *values, tops[1]])
    assert [(name, [pair[2] for pair in pairs]) for name, pairs in found] == [
        ("ΔG H, gpaw, top", [1.2, 0.9]),
        ("ΔG H, gpaw, fcc", [0.2, -0.1]),
    ]
    texts = plots.d_band_correlation([*bands, *tops, *values]).axes[0].get_legend().get_texts()
    assert [text.get_text().split(":")[0] for text in texts] == [name for name, _ in found]
    wide = [one.model_copy(update={"window_eV": (-10, 5)}) for one in bands]
    with pytest.raises(MissingData, match="1 surfaces have"):
        d_band_lines([bands[0], wide[1], *values])


def test_a_picture_has_the_states_of_one_reaction():
    reduced = reaction("Pt", "ORR", {"OOH*": 3.9, "O*": 1.7})
    evolved = reaction("RuO2", "OER", {"OH*": 1.0, "O*": 2.6})
    with pytest.raises(RecipeError, match=r"2 reactions, OER, ORR; .*--reaction OER"):
        plots.free_energy_diagram([evolved, reduced])
    figure = plots.free_energy_diagram([evolved, reduced], "ORR")
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert labels == ["*", "OOH*", "O*"]
    assert set(entries(figure)) == {
        "ORR on (111) (Pt, gpaw), 0 V",
        "ORR on (111) (Pt, gpaw), 1.23 V",
    }
    with pytest.raises(MissingData, match="of HER; known: OER, ORR"):
        plots.free_energy_diagram([evolved, reduced], "HER")
    short = reaction("Au", "ORR", {"O*": 1.7}).model_copy(update={"recipe": "other"})
    with pytest.raises(RecipeError, match="r and other go through different states"):
        plots.free_energy_diagram([reduced, short])


#: Of each kind: more words, and what the picture has to say.
PICTURES = {
    "free-energy": ([], ["OOH*", "ORR on (111) (Pt, gpaw), 1.23 V"]),
    "volcano": ([], ["Pt(111), gpaw", "log10 exchange current (A/cm²)"]),
    "volcano of ORR": (["--reaction", "ORR"], ["Pt(111), gpaw", "ΔG of OH* (eV)"]),
    "d-band": ([], ["Pt (111) surface atom: -2.50 eV", "d states (1/eV/atom)"]),
    "strain": (["--species", "H"], ["ΔG H on Pt(111), gpaw", "strain in the plane (%)"]),
    "correlation": ([], ["slope 1.50, r = 1.00", "Cu(111)"]),
}


@pytest.fixture(scope="module")
def filed(tmp_path_factory):
    """A store with results as runs would have filed them."""
    results = [d_band("Pt", -2.5), d_band("Cu", -2.3), adsorbed("Cu", 0.2)]
    results += [adsorbed("Pt", 0.1 * k - 0.1, 0.04 * k) for k in (0, 1, -1)]
    results.append(reaction("Pt", "ORR", {"OOH*": 3.91, "O*": 1.7, "OH*": 0.75}))
    path = tmp_path_factory.mktemp("filed") / "store.sqlite"
    with open_store(path) as store:
        for number, one in enumerate(results):
            output = one.model_copy(update={"key": f"k{number}"}).model_dump(mode="json")
            output |= {"@module": type(one).__module__, "@class": type(one).__name__}
            store.file({"uuid": f"u{number}", "index": 1, "output": output, "name": "result"})
    return path


@pytest.mark.parametrize("kind", PICTURES)
def test_every_picture_is_made_from_the_command_line(filed, tmp_path, monkeypatch, kind):
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    words, says = PICTURES[kind]
    target = tmp_path / "picture.svg"
    asked = ["plot", kind.split()[0], "-o", str(target), "--store", str(filed), *words]
    done = CliRunner().invoke(main, asked)
    assert (done.exit_code, done.output.strip()) == (0, str(target))
    written = html.unescape(target.read_text(encoding="utf-8"))
    for text in says:
        assert text in written


def test_a_reaction_without_a_volcano_or_without_results_is_refused(filed):
    for words, said in (
        (("volcano", "--reaction", "CO2RR-CO"), "has no volcano; known: HER, OER, ORR"),
        (("free-energy", "--reaction", "HER"), "no converged overpotential of HER; known: ORR"),
    ):
        done = CliRunner().invoke(main, ["plot", *words, "--store", str(filed)])
        assert done.exit_code == 2
        assert said in done.output


def test_nothing_to_draw_is_said():
    with pytest.raises(MissingData, match="no converged overpotential"):
        plots.free_energy_diagram([adsorbed("Pt", 0.1)])
