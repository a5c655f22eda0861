"""Any recipe takes a generated cell as its host."""

from __future__ import annotations

import pytest
from jobflow import run_locally
from monty.json import MontyDecoder

from defectflow.errors import RecipeError, StructureError
from defectflow.recipes import build, load, result_key

LINE = "burgers: [1/2, -1/2, 0], line: [1, 1, -2]"


def recipe(folder, text):
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def formation(host, defect="{kind: substitution, replace: {Cu: Ag}}", more=""):
    return f"""
quantity: defect_formation_energy
host: {host}
defect: {defect}
host_cell: keep
engine: emt
{more}
"""


def test_an_impurity_at_a_dislocation_is_one_recipe(tmp_path):
    host = f"{{prototype: fcc-Cu, cell: {{kind: dislocation, {LINE}}}}}"
    flow = build(recipe(tmp_path, formation(host)))
    names = [job.name for job in flow.jobs]
    assert names[0] == "relax host"
    # The perfect crystal, not the one with dislocations, is where the exchanged atoms go.
    assert any("fcc-Cu" in name for name in names)
    host_job = flow.jobs[0]
    assert len(host_job.function_args[0]) == 114


def test_a_barrier_along_a_dislocation_builds(tmp_path):
    text = f"""
quantity: migration_barrier
host: {{prototype: fcc-Cu, cell: {{kind: dislocation, {LINE}}}}}
species: Cu
limit: discharged
host_cell: keep
engine: emt
"""
    flow = build(recipe(tmp_path, text))
    assert flow.jobs


def test_a_vacancy_in_a_crystal_strained_by_a_dislocation_runs(tmp_path):
    strained = f"{{prototype: fcc-Cu, cell: {{kind: dislocation_strain, {LINE}, above_A: 6.0}}}}"
    defect = "{kind: vacancy, species: Cu}"
    values = {}
    for name, host in (("strained", strained), ("perfect", "{prototype: fcc-Cu}")):
        flow = build(recipe(tmp_path, formation(host, defect, "supercell: [2, 2, 2]")))
        outputs = run_locally(flow, log=False, ensure_success=True)
        document = next(
            out
            for responses in outputs.values()
            for response in responses.values()
            if (out := MontyDecoder().process_decoded(response.output)) is not None
            and getattr(out, "quantity", "") == "defect_formation_energy"
        )
        values[name] = document
    assert values["perfect"].host == "fcc-Cu"
    assert values["strained"].host.startswith("fcc-Cu edge[1/2 -1/2 0](111), strain at 10, 6 Å")
    assert values["strained"].prototype is None
    difference = values["strained"].value - values["perfect"].value
    assert 0.001 < abs(difference) < 0.5


def test_one_of_several_cells_is_chosen_by_its_name(tmp_path):
    cell = f"cell: {{kind: dislocation, {LINE}}}"
    first = recipe(tmp_path, formation(f"{{prototype: fluorite-CeO2, {cell}}}"))
    with pytest.raises(StructureError, match=r"2 cells; choose one by `name`: edge\[.*_1, edge"):
        result_key(first)
    name = '"edge[1/2 -1/2 0](111)_2"'
    chosen = recipe(tmp_path, formation(f"{{prototype: fluorite-CeO2, {cell}, name: {name}}}"))
    assert str(chosen.content.host) == "fluorite-CeO2 edge[1/2 -1/2 0](111)_2"
    assert result_key(chosen)
    wrong = recipe(tmp_path, formation(f"{{prototype: fluorite-CeO2, {cell}, name: edge}}"))
    with pytest.raises(StructureError, match="no cell of that name"):
        result_key(wrong)


def test_another_cell_is_another_result(tmp_path):
    keys = set()
    for more in ("", ", separation_A: 15", ", arrangement: dipole"):
        cell = f"{{kind: dislocation, {LINE}{more}}}"
        keys.add(result_key(recipe(tmp_path, formation(f"{{prototype: fcc-Cu, cell: {cell}}}"))))
    keys.add(result_key(recipe(tmp_path, formation("{prototype: fcc-Cu}"))))
    assert len(keys) == 4


def test_a_name_without_a_cell_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="chooses among the cells"):
        recipe(tmp_path, formation("{prototype: fcc-Cu, name: x}"))
