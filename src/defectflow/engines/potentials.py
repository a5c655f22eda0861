"""Universal machine-learned potentials whose weights come inside their packages: no network.

They are trained on relaxations close to equilibrium and are too soft: barriers come out too low
more often than not. Every number of theirs is stamped ``potential``, never ``dft``.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import model_validator

from defectflow.engines.calculators import BASIC, CalculatorEngine, CalculatorOptions
from defectflow.engines.contract import Capability
from defectflow.engines.model import Model
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ase.calculators.calculator import BaseCalculator

_CAPABILITIES = BASIC | {Capability.STRESS, Capability.DISPERSION}
_PBE = "PBE, PBE+U for oxides and fluorides of some 3d, 4d and 5d metals"
_MP2020 = "total energies contain the corrections of the Materials Project (MP2020)"


def _trained_elements(*absent: str) -> frozenset[str]:
    """Return hydrogen to plutonium without the five that the Materials Project data lacks."""
    from ase.data import chemical_symbols

    missing = {"Po", "At", "Rn", "Fr", "Ra", *absent}
    return frozenset(chemical_symbols[1:95]) - missing


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what packages print and warn while they load."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class PotentialOptions(CalculatorOptions):
    """Options of a potential.

    Attributes
    ----------
    device
        Where to compute; ``cuda`` needs a graphics card and a CUDA build of torch.
    """

    device: Literal["cpu", "cuda"] = "cpu"


def _check_device(engine: CalculatorEngine) -> None:
    if engine.options["device"] == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        message = (
            f"engine {engine.name}: device cuda is not available to torch {torch.__version__}; "
            "use device: cpu, or install a CUDA build of torch"
        )
        raise EngineError(message)


class CHGNetOptions(PotentialOptions):
    """Options of CHGNet: the version of its weights."""

    model: Literal["0.3.0", "0.2.0", "r2scan"] = "0.3.0"


#: File below the package, functional, D3 name, elements absent from the training data.
_CHGNET: Final[dict[str, tuple[str, str, str, tuple[str, ...]]]] = {
    "0.3.0": ("0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar", _PBE, "pbe", ()),
    "0.2.0": ("0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar", _PBE, "pbe", ()),
    "r2scan": (
        "r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
        "r2SCAN",
        "r2scan",
        ("Yb",),
    ),
}


@dataclass(frozen=True)
class CHGNet(CalculatorEngine):
    """CHGNet: B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023), trained on MPtrj.

    Examples
    --------
    >>> CHGNet(options={"dispersion": "d3bj"}).stamp().model
    'CHGNet 0.3.0'
    """

    name: ClassVar[str] = "chgnet"
    options_model: ClassVar[type[CHGNetOptions]] = CHGNetOptions
    declared: ClassVar[frozenset[Capability]] = _CAPABILITIES

    @classmethod
    def models(cls) -> tuple[str, ...]:
        """Return the versions that the package carries."""
        return tuple(_CHGNET)

    def model(self) -> Model:
        """Return the description of the chosen version."""
        version = self.options["model"]
        file, functional, d3_method, absent = _CHGNET[version]
        return Model(
            name=f"CHGNet {version}",
            functional=functional,
            fidelity="potential",
            elements=_trained_elements(*absent),
            packages=("chgnet", "torch"),
            weights=f"pretrained/{file}",
            d3_method=d3_method,
            notes={} if version == "r2scan" else {"energy_reference": _MP2020},
        )

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if the package, device, weights or an element is missing."""
        super().check(elements)
        _check_device(self)

    def calculator(self) -> BaseCalculator:
        """Load the model and return its calculator."""
        with _quiet():
            from defectflow.engines.chgnet_calculator import load

            return load(self.options["model"], self.options["device"])


class SevenNetOptions(PotentialOptions):
    """Options of SevenNet.

    Attributes
    ----------
    model
        One of the checkpoints that the package carries.
    modal
        Functional of the multi-fidelity model ``7net-mf-0``; the others have one only.
    """

    model: Literal["7net-0", "7net-0_22May2024", "7net-l3i5", "7net-mf-0"] = "7net-0"
    modal: Literal["PBE", "R2SCAN"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _modal_fits_model(cls, values: dict[str, Any]) -> dict[str, Any]:
        multi = values.get("model") == "7net-mf-0"
        if values.get("modal") is not None and not multi:
            message = "only the model 7net-mf-0 has a modal; leave it out"
            raise ValueError(message)
        return {**values, "modal": values.get("modal") or "PBE"} if multi else values


_SEVENNET: Final[dict[str, str]] = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_22May2024": "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
}


@dataclass(frozen=True)
class SevenNet(CalculatorEngine):
    """SevenNet: Y. Park et al., J. Chem. Theory Comput. 20, 4857 (2024), trained on MPtrj.

    Examples
    --------
    >>> SevenNet(options={"model": "7net-l3i5"}).stamp().model
    'SevenNet 7net-l3i5'
    """

    name: ClassVar[str] = "sevennet"
    options_model: ClassVar[type[SevenNetOptions]] = SevenNetOptions
    declared: ClassVar[frozenset[Capability]] = _CAPABILITIES

    @classmethod
    def models(cls) -> tuple[str, ...]:
        """Return the checkpoints that the package carries."""
        return tuple(_SEVENNET)

    def model(self) -> Model:
        """Return the description of the chosen checkpoint."""
        name = self.options["model"]
        r2scan = self.options["modal"] == "R2SCAN"
        return Model(
            name=f"SevenNet {name}",
            functional="r2SCAN" if r2scan else _PBE,
            fidelity="potential",
            elements=_trained_elements(),
            packages=("sevenn", "torch"),
            weights=f"pretrained_potentials/{_SEVENNET[name]}",
            d3_method="r2scan" if r2scan else "pbe",
        )

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if the package, device, weights or an element is missing."""
        super().check(elements)
        _check_device(self)

    def calculator(self) -> BaseCalculator:
        """Load the checkpoint and return its calculator."""
        with _quiet():
            from sevenn.calculator import SevenNetCalculator

            return SevenNetCalculator(
                model=str(self.model().weights_file()),
                device=self.options["device"],
                modal=self.options["modal"],
            )
