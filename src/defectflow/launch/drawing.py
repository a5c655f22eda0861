"""The graph of a flow as a drawing: layers from left to right, an arrow for each dependence."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.launch.rehearsal import Planned

_COLOURS: Final = {
    "relax": "#cfe2f3",
    "band": "#f9cb9c",
    "static": "#d9ead3",
    "dos": "#d9d2e9",
    "charges": "#d0e0e3",
    "vibrations": "#fff2cc",
    "melt": "#f7b89c",
    "light": "#eeeeee",
}
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 210, 26, 250, 36


def graph_svg(jobs: Sequence[Planned], title: str) -> str:
    """Return the drawing as SVG; jobs that need no computing of their own have a dashed frame."""
    depth: dict[int, int] = {}
    for job in jobs:
        depth[job.number] = 1 + max((depth.get(one, -1) for one in job.parents), default=-1)
    rows: dict[int, int] = {}
    place: dict[int, tuple[int, int]] = {}
    for job in jobs:
        layer = depth[job.number]
        place[job.number] = (10 + layer * _ACROSS, 40 + rows.get(layer, 0) * _DOWN)
        rows[layer] = rows.get(layer, 0) + 1
    width = 20 + _ACROSS * (max(rows, default=0) + 1)
    height = 60 + _DOWN * max(rows.values(), default=1)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="11">'
        ),
        f'<text x="10" y="20" font-size="13">{escape(title)}: plan, nothing computed</text>',
    ]
    for job in jobs:
        x, y = place[job.number]
        for parent in job.parents:
            if parent in place:
                before, above = place[parent]
                lines.append(
                    f'<path d="M{before + _WIDTH} {above + _HEIGHT // 2} L{x} {y + _HEIGHT // 2}" '
                    'stroke="#888" fill="none"/>'
                )
    for job in jobs:
        x, y = place[job.number]
        dashed = ' stroke-dasharray="4"' if job.state in {"stored", "shared"} else ""
        lines.append(
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" '
            f'fill="{_COLOURS[job.kind]}" stroke="#444"{dashed}/>'
        )
        label = escape(f"{job.number} {job.job.name}"[:34])
        lines.append(f'<text x="{x + 6}" y="{y + 17}">{label}</text>')
    return "\n".join([*lines, "</svg>", ""])
