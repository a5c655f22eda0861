"""Pictures of the shapes of crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from defectflow.analysis.wulff import Shape

#: Where the viewer is: elevation and azimuth, degrees.
_VIEW: Final = (22.0, 28.0)


def shape_figure(shape: Shape, title: str = "") -> Figure:
    """Return Wulff's shape, each family of planes in its colour with its share of the surface."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]

    figure = Figure(figsize=(5.0, 4.2), layout="constrained")
    axes: Any = figure.add_subplot(projection="3d")
    shares = shape.shares()
    shown = {family: f"C{k}" for k, family in enumerate(shares)}
    for facet in shape.facets:
        face = Poly3DCollection([facet.corners], facecolor=shown[facet.family], edgecolor="0.2")
        axes.add_collection3d(face)
    reach = max(float(np.abs(facet.corners).max()) for facet in shape.facets)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach), title=title)
    axes.set_box_aspect((1, 1, 1))
    axes.view_init(*_VIEW)
    axes.set_axis_off()
    names = [
        Patch(color=shown[family], label=f"({' '.join(map(str, family))})  {100 * share:.0f} %")
        for family, share in shares.items()
        if share > 0
    ]
    axes.legend(handles=names, frameon=False, loc="upper left", fontsize=9)
    return figure
