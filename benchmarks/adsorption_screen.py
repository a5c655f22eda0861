"""Calls of a dear engine per free energy of adsorption, with and without a pre-screen.

    python benchmarks/adsorption_screen.py                        # all cases, cheapest first
    python benchmarks/adsorption_screen.py --cases O-Pt CO-Pt
    python benchmarks/adsorption_screen.py --table                # what is in results/

The dear engine is the potential 7net-l3i5, in the place of a density functional code; the screen is
7net-0. Three roads start from the same placements on the same slab (2x2, three layers, two frozen)
and end with the vibrations of the adsorbate: direct; screened, where the two lowest ends of the
screen are relaxed; weighed, where one evaluation of each end within 0.2 eV says which one is.
Counted are the evaluations, the relaxations of the placements and the vibrations; bulk, gases and
clean slab are needed once, whatever is adsorbed, and by all roads.

Written to results/adsorption_screen.json: calls, free energies, ratio; a row counts as equal if the
free energy is that of the direct road within 10 meV.
"""

from __future__ import annotations

import argparse
import json
import math
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
#: What each road hands on from the screen; None for no screen.
ROADS: dict[str, dict[str, Any] | None] = {
    "direct": None,
    "screened": {"keep": 2},
    "weighed": {"keep": 1, "weigh_within_eV": 0.2},
}


def computed(case: str, store: str, road: str) -> Any:
    """Return the result of one road."""
    handed_on = ROADS[road]
    adsorbate, metal = case.split("-")
    maker = AdsorptionMaker(
        engine("sevennet", model=DEAR),
        PLAN,
        "adsorption_free_energy",
        free=FreeEnergyPlan("vibrations"),
        screen=None if handed_on is None else engine("sevennet", model=SCREEN),
        **(handed_on or {}),
    )
    return run(maker.make(hosts.load(f"fcc-{metal}"), adsorbate), store)


def calls(document: Any) -> int:
    """Return the calls of the dear engine for the placements and the vibrations."""
    steps = [site.relaxed for site in document.sites if site.relaxed is not None]
    steps += [document.vibrations] if document.vibrations else []
    weighed = sum(site.weighed_eV is not None for site in document.sites)
    return sum(step.force_calls for step in steps) + weighed


def row(case: str, store: str) -> dict[str, Any]:
    """Return the roads of a case side by side."""
    found = {road: computed(case, store, road) for road in ROADS}
    direct = found.pop("direct")
    return {
        "case": case,
        "placements": len(direct.sites),
        "direct": told(direct),
        **{road: told(document) | beside(document, direct) for road, document in found.items()},
    }


def told(document: Any) -> dict[str, Any]:
    """Return what one road cost and found."""
    return {
        "calls": calls(document),
        "free_energy_eV": document.value,
        "adsorption_energy_eV": document.adsorption_energy_eV,
        "site": document.site,
        "ends_eV": {
            site.label: {"screened": site.screened_eV, "weighed": site.weighed_eV}
            for site in document.sites
            if site.screened_eV is not None
        },
        "remarks": [] if document.value is not None else list(document.notes[-1:]),
    }


def beside(document: Any, direct: Any) -> dict[str, Any]:
    """Return how a road compares with the direct one."""
    known = None not in (document.value, direct.value)
    gap = abs(document.value - direct.value) if known else None
    return {
        "ratio": round(calls(direct) / calls(document), 2),
        "error_eV": gap,
        "equal": gap is not None and gap < EQUAL_EV,
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


def print_row(one: dict[str, Any]) -> None:
    """Print the roads of a case in one line."""
    line = f"{one['case']:6s} {one['placements']:3d} placements, {one['direct']['calls']:4d} calls"
    for road in ("screened", "weighed"):
        told = one[road]
        error = "no value" if told["error_eV"] is None else f"{1000 * told['error_eV']:.0f} meV off"
        line += f"; {road} {told['calls']:3d} ({told['ratio']:.1f} x, {error})"
    print(line, flush=True)


def print_means(rows: list[dict[str, Any]]) -> None:
    """Print the geometric mean of the ratios of each road, and how many are equal."""
    for road in ("screened", "weighed"):
        mean = math.prod(one[road]["ratio"] for one in rows) ** (1 / len(rows))
        equal = sum(one[road]["equal"] for one in rows)
        calls_of = {name: sum(one[name]["calls"] for one in rows) for name in ("direct", road)}
        print(
            f"{road}: {calls_of['direct']} calls become {calls_of[road]}, geometric mean of the "
            f"ratios {mean:.1f}; {equal} of {len(rows)} equal within {1000 * EQUAL_EV:.0f} meV"
        )


def main() -> None:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=CASES, choices=CASES, metavar="CASE")
    parser.add_argument("--store", default=None, help="keep what was computed in this store")
    parser.add_argument("--table", action="store_true", help="print what is in results/")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = chosen.store or str(Path(folder) / "store.sqlite")
        for case in () if chosen.table else chosen.cases:
            file_row(row(case, store))
    rows = json.loads(TARGET.read_text("utf-8"))["rows"]
    for one in rows:
        print_row(one)
    print_means(rows)


if __name__ == "__main__":
    main()
