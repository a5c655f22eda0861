"""Calls of a dear engine per free energy of adsorption, with and without a pre-screen.

    python benchmarks/adsorption_screen.py                        # all cases, cheapest first
    python benchmarks/adsorption_screen.py --cases O-Pt CO-Pt

The dear engine is the potential 7net-l3i5, in the place of a density functional code; the screen is
7net-0. Both roads start from the same placements on the same slab (2x2, three layers, two frozen)
and end with the vibrations of the adsorbate. Counted are the relaxations of the placements and the
vibrations; bulk, gases and clean slab are needed once, whatever is adsorbed, and by both roads.

Written to results/adsorption_screen.json: calls, free energies, ratio; a row counts as equal if the
two free energies agree within 10 meV.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from defectflow import hosts
from defectflow.engines import engine
from defectflow.flows import AdsorptionMaker, SlabPlan
from defectflow.flows.free_energy import FreeEnergyPlan
from defectflow.launch import run

TARGET = Path(__file__).resolve().parent.parent / "results" / "adsorption_screen.json"
CASES = ("O-Pt", "H-Pt", "CO-Pt", "O-Cu", "CO-Cu", "OH-Pt", "OH-Cu")
DEAR, SCREEN = "7net-l3i5", "7net-0"
PLAN = SlabPlan((1, 1, 1), layers=3, frozen_layers=2, repeat=(2, 2))
EQUAL_EV = 0.010


def computed(case: str, store: str, *, screened: bool) -> Any:
    """Return the result of one road."""
    adsorbate, metal = case.split("-")
    maker = AdsorptionMaker(
        engine("sevennet", model=DEAR),
        PLAN,
        "adsorption_free_energy",
        free=FreeEnergyPlan("vibrations"),
        screen=engine("sevennet", model=SCREEN) if screened else None,
    )
    return run(maker.make(hosts.load(f"fcc-{metal}"), adsorbate), store)


def calls(document: Any) -> int:
    """Return the calls of the dear engine for the placements and the vibrations."""
    steps = [site.relaxed for site in document.sites if site.relaxed is not None]
    steps += [document.vibrations] if document.vibrations else []
    return sum(step.force_calls for step in steps)


def row(case: str, store: str) -> dict[str, Any]:
    """Return both roads of a case side by side."""
    direct, screened = (computed(case, store, screened=flag) for flag in (False, True))
    values = (direct.value, screened.value)
    gap = None if None in values else abs(direct.value - screened.value)
    return {
        "case": case,
        "placements": len(direct.sites),
        "calls_direct": calls(direct),
        "calls_screened": calls(screened),
        "ratio": round(calls(direct) / calls(screened), 2),
        "free_energy_direct_eV": direct.value,
        "free_energy_screened_eV": screened.value,
        "adsorption_energy_direct_eV": direct.adsorption_energy_eV,
        "adsorption_energy_screened_eV": screened.adsorption_energy_eV,
        "sites": [direct.site, screened.site],
        "equal": gap is not None and gap < EQUAL_EV,
        "remarks": [
            list(one.notes[-1:]) if one.value is None else [] for one in (direct, screened)
        ],
    }


def file_row(new: dict[str, Any]) -> None:
    """Put a row into the file, in the place of an older row of the same case."""
    rows = {}
    if TARGET.exists():
        rows = {one["case"]: one for one in json.loads(TARGET.read_text("utf-8"))["rows"]}
    rows[new["case"]] = new
    record = {
        "command": "python benchmarks/adsorption_screen.py",
        "dear": DEAR,
        "screen": SCREEN,
        "rows": [rows[case] for case in CASES if case in rows],
    }
    TARGET.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=CASES, choices=CASES, metavar="CASE")
    parser.add_argument("--store", default=None, help="keep what was computed in this store")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = chosen.store or str(Path(folder) / "store.sqlite")
        for case in chosen.cases:
            one = row(case, store)
            file_row(one)
            print(
                f"{case:8s} {one['placements']:3d} placements, calls {one['calls_direct']:4d} -> "
                f"{one['calls_screened']:3d} ({one['ratio']:.1f} x), equal: {one['equal']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
