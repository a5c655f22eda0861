"""Nickel in a manganese spinel: all orders, the published one, and how random a cell is."""

from __future__ import annotations

from defectflow import hosts
from defectflow.structures.ordering import (
    Decoration,
    number_of_arrangements,
    orderings,
    space_group_of,
)
from defectflow.structures.quasirandom import quasirandom
from defectflow.structures.short_range_order import short_range_order

host = hosts.load("spinel-LiMn2O4").structure
nickel = [Decoration("Mn", {"Ni": 4})]

# Every distinct arrangement once; cells come one by one, so that any number fits into memory.
cells = list(orderings(host, nickel))
print(f"arrangements {number_of_arrangements(host, nickel)}")
print(f"distinct     {len(cells)}")

for cell in cells:
    symbol, number = space_group_of(cell.structure)
    if number in {212, 213}:  # P4_332 and its mirror image
        print(f"ordered      {symbol}, {cell.multiplicity} equivalents")
        print(f"alpha Ni-Ni  {short_range_order(cell, 'Mn').of('Ni', 'Ni')[0]:.2f}")

disordered = next(quasirandom(host, nickel))
print(f"random cell  {short_range_order(disordered, 'Mn').of('Ni', 'Ni')[0]:.2f}")
