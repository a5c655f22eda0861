"""Oxidation states of a host's elements, and those that another element takes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from defectflow.errors import StructureError
from defectflow.structures.layers import covalent_radius_A

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymatgen.core.structure import Structure

_BALANCED: Final = 1e-6
#: Electrons that anions of groups 15 and 16 lack.
_LACKING: Final = (2, 3)
#: Like anions nearer than this, in units of two covalent radii, are bonded: 1.17 in Li2O2, 1.5 the
#: least distance of sulfur in MoS2.
_BONDED: Final = 1.2


def is_metal(structure: Structure) -> bool:
    """Tell whether every element is a metal, so that carriers screen any charge."""
    return all(element.is_metal for element in structure.elements)


def oxidation_states(
    structure: Structure, known: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the mean oxidation state of each element, by charge balance.

    The most usual set of states that makes the formula neutral (pymatgen's statistics of the
    ICSD); zero in an element or an alloy of metals. Anions that are bonded to their like follow the
    8 - N rule, one electron less to take for each such bond: Se -1 in pyrite, O -1 in peroxides.

    Parameters
    ----------
    known
        States that are not to be guessed; those of elements that are not in the host are ignored.
        Where they name an element of an alloy, it is taken for a semiconductor made of metals.

    Raises
    ------
    StructureError
        If no states balance the formula.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> oxidation_states(hosts.load("olivine-LiFePO4").structure)
    {'Fe': 2.0, 'Li': 1.0, 'O': -2.0, 'P': 5.0}
    """
    elements = sorted(element.symbol for element in structure.elements)
    given = {symbol: float(state) for symbol, state in (known or {}).items() if symbol in elements}
    if len(elements) == 1 or screens(structure, given):
        return {symbol: given.get(symbol, 0.0) for symbol in elements}
    formula = structure.composition.reduced_composition
    if len(given) == len(elements):
        total = sum(formula[symbol] * state for symbol, state in given.items())
        if abs(total) > _BALANCED:
            raise StructureError(_unbalanced(structure, f"{given} add up to {total:+g}"))
        return given
    fixed = {symbol: [state] for symbol, state in given.items()}
    bonded = _bonded_anions(structure)
    tried = [{**bonded, **fixed}, fixed] if bonded else [fixed]
    guesses = (formula.oxi_state_guesses(oxi_states_override=states) for states in tried)
    found = next(filter(None, guesses), None)
    if not found:
        raise StructureError(_unbalanced(structure, "no usual oxidation states balance it"))
    return {symbol: float(found[0][symbol]) for symbol in elements}


def screens(structure: Structure, known: Mapping[str, float] | None = None) -> bool:
    """Tell whether carriers screen any charge: in an alloy of metals, unless states are known.

    Half-Heusler crystals such as TiNiSn are semiconductors made of metals; whoever names their
    oxidation states says so.
    """
    symbols = {element.symbol for element in structure.elements}
    named = any(state for symbol, state in (known or {}).items() if symbol in symbols)
    return is_metal(structure) and not named


def _bonded_anions(structure: Structure) -> dict[str, list[float]]:
    """Return the state of the most electronegative element by the 8 - N rule, if it has like bonds.

    Only of groups 15 and 16, and not of nitrogen, whose bonds among themselves are multiple.
    """
    from pymatgen.core.periodic_table import Element

    most = max(structure.symbol_set, key=lambda symbol: Element(symbol).X)
    lacking = 18 - Element(most).group
    if lacking not in _LACKING or most == "N":
        return {}
    places = [k for k, site in enumerate(structure) if site.specie.symbol == most]
    alone = structure.from_sites([structure[k] for k in places])
    bonds = len(alone.get_neighbor_list(2 * _BONDED * covalent_radius_A(most))[0])
    return {most: [bonds / len(alone) - lacking]} if bonds else {}


def usual_states(symbol: str) -> tuple[int, ...]:
    """Return the usual oxidation states of an element, least first; (0,) if it has none.

    Examples
    --------
    >>> usual_states("Cr"), usual_states("F")
    ((3, 6), (-1,))
    """
    from pymatgen.core.periodic_table import Element

    return tuple(sorted(int(one) for one in Element(symbol).common_oxidation_states)) or (0,)


def possible_states(symbol: str) -> tuple[int, int]:
    """Return the lowest and the highest oxidation state known of an element; zero is between.

    Examples
    --------
    >>> possible_states("F"), possible_states("Ti")
    ((-1, 0), (-1, 4))
    """
    from pymatgen.core.periodic_table import Element

    states = [int(one) for one in Element(symbol).oxidation_states]
    return min([0, *states]), max([0, *states])


def state_of_dopant(dopant: str, host_state: float, known: Mapping[str, float]) -> float:
    """Return the oxidation state of an element on a site of the host.

    That is `known`, or the usual one of the sign of the host's.

    Raises
    ------
    StructureError
        If it has several.
    """
    if dopant in known:
        return float(known[dopant])
    usual = [one for one in usual_states(dopant) if one * host_state >= 0]
    if len(usual) == 1:
        return float(usual[0])
    shown = ", ".join(f"{one:+d}" for one in usual or usual_states(dopant))
    message = (
        f"{dopant}: which oxidation state it takes is not certain (usual: {shown}); say "
        f"`oxidation_states: {{{dopant}: ...}}`"
    )
    raise StructureError(message)


def _unbalanced(structure: Structure, why: str) -> str:
    formula = structure.reduced_formula
    return f"{formula}: {why}; give `oxidation_states` of its elements that add up to zero"
