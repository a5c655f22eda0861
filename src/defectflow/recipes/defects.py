"""Every kind of defect that a recipe or ``defectflow generate`` may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from defectflow.recipes.kinds.complexes import (
    Compensated,
    Complex,
    Dumbbell,
    Frenkel,
    Schottky,
    SingleAtom,
)
from defectflow.recipes.kinds.disorder import (
    Concentration,
    LayerMigration,
    Order,
    Superlattice,
)
from defectflow.recipes.kinds.galleries import Interlayer
from defectflow.recipes.kinds.interfaces import Interface
from defectflow.recipes.kinds.lines import Dislocation, DislocationStrain
from defectflow.recipes.kinds.planes import GrainBoundary, Kink, LayerStacking, StackingFault, Twin
from defectflow.recipes.kinds.points import Antisite, Interstitial, Substitution, Vacancy
from defectflow.recipes.kinds.strains import Strain
from defectflow.recipes.kinds.surfaces import Surface, SurfaceDefect, SurfaceGroup

if TYPE_CHECKING:
    from defectflow.recipes.kinds.choice import DefectChoice

#: A defect in a recipe: a mapping whose ``kind`` decides which other keys it may hold.
Defect = Annotated[
    Vacancy
    | Substitution
    | Antisite
    | Interstitial
    | Dumbbell
    | Complex
    | Frenkel
    | Schottky
    | Compensated
    | SingleAtom
    | Interlayer
    | Order
    | Concentration
    | Superlattice
    | LayerMigration
    | Strain
    | StackingFault
    | Twin
    | GrainBoundary
    | LayerStacking
    | Kink
    | Dislocation
    | DislocationStrain
    | Surface
    | SurfaceDefect
    | SurfaceGroup
    | Interface,
    Field(discriminator="kind"),
]

#: One model per kind, in the order in which help lists them.
KINDS: Final[dict[str, type[DefectChoice]]] = {
    "vacancy": Vacancy,
    "substitution": Substitution,
    "antisite": Antisite,
    "interstitial": Interstitial,
    "stacking_fault": StackingFault,
    "twin": Twin,
    "grain_boundary": GrainBoundary,
    "layer_stacking": LayerStacking,
    "kink": Kink,
    "dumbbell": Dumbbell,
    "complex": Complex,
    "frenkel": Frenkel,
    "schottky": Schottky,
    "compensated": Compensated,
    "single_atom": SingleAtom,
    "interlayer": Interlayer,
    "order": Order,
    "concentration": Concentration,
    "superlattice": Superlattice,
    "layer_migration": LayerMigration,
    "strain": Strain,
    "dislocation": Dislocation,
    "dislocation_strain": DislocationStrain,
    "surface": Surface,
    "surface_defect": SurfaceDefect,
    "surface_group": SurfaceGroup,
    "interface": Interface,
}


def spelled_out(recipe: object) -> object:
    """Return the data of a recipe with its defect as a mapping.

    ``defect: vacancy`` beside ``species: O`` stands for ``defect: {kind: vacancy, species: O}``;
    a recipe that names no defect means a vacancy. For a validator that runs before the fields'.

    Examples
    --------
    >>> spelled_out({"defect": "vacancy", "species": "O"})["defect"]
    {'kind': 'vacancy', 'species': 'O'}
    >>> spelled_out({"defect": {"kind": "antisite"}})["defect"]
    {'kind': 'antisite'}
    """
    if not isinstance(recipe, dict):
        return recipe
    defect = recipe.get("defect", "vacancy")
    if not isinstance(defect, str):
        return recipe
    choice = {"kind": defect}
    model = KINDS.get(defect)
    if model is not None and "species" in model.model_fields and "species" in recipe:
        choice["species"] = recipe["species"]
    return {**recipe, "defect": choice}


def check_species(defect: Defect) -> None:
    """Refuse a vacancy of no element, where energies of one defect are asked for.

    Raises
    ------
    ValueError
        Saying what to give.
    """
    if isinstance(defect, Vacancy) and defect.species is None:
        message = "a vacancy needs `species`: the element that is taken out"
        raise ValueError(message)
