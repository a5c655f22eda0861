"""The program that computes with GPAW, in one process or on every rank of an MPI job.

It is started by `defectflow.engines.gpaw_process` with a path, not imported, and needs nothing but
GPAW. It reads one JSON object per line from standard input and answers each with one line that
starts with `MARK`; whatever else is written to standard output goes to standard error. Several
calculations live in one program, each with its own wave functions, folder and text.

Units are ASE's: Å, eV, eV/Å, eV/Å³, Bohr magnetons.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, Final, NoReturn

#: What every answer starts with.
MARK: Final = "#defectflow "


class Calculation:
    """One series of similar evaluations with its own density and wave functions.

    Parameters
    ----------
    start
        ``folder``, ``keywords`` of GPAW, ``numbers``, ``positions``, ``cell``, ``pbc``, ``moments``
        and ``restart``: a file to go on from, or None.
    """

    def __init__(self, start: dict[str, Any], world: Any) -> None:
        from ase import Atoms

        self.world = world
        self.keywords: dict[str, Any] = start["keywords"]
        self.atoms = Atoms(
            numbers=start["numbers"],
            positions=start["positions"],
            cell=start["cell"],
            pbc=start["pbc"],
        )
        if start["moments"] is not None:
            self.atoms.set_initial_magnetic_moments(start["moments"])
        self.text = None
        if world.rank == 0:
            path = Path(start["folder"]) / "gpaw.txt"
            self.text = path.open("a", encoding="utf-8")
        self.symmetry_broken = 0
        self.diverged = False
        self.gpaw = self._new(start["restart"])

    def evaluate(self, positions: Any, cell: Any, wanted: list[str]) -> dict[str, Any]:
        """Return the results, or ``converged: False`` if the SCF ran out of steps."""
        import numpy as np
        from gpaw import KohnShamConvergenceError
        from gpaw.new.symmetry import SymmetryBrokenError
        from gpaw.utilities import AtomsTooClose

        self.atoms.set_cell(cell)
        self.atoms.set_positions(positions)
        while True:
            try:
                self.gpaw.get_potential_energy(self.atoms)
            except SymmetryBrokenError:
                self.symmetry_broken += 1
                self._begin_again()
            except KohnShamConvergenceError:
                return {"converged": False, "diverged": False}
            except AtomsTooClose as error:
                return {"refused": str(error)}
            except (np.linalg.LinAlgError, ValueError, AssertionError) as error:
                if not _numbers_ran_away(error):
                    raise
                self.diverged = True
                return {"converged": False, "diverged": True}
            else:
                break
        get = {"forces": self.gpaw.get_forces, "stress": self.gpaw.get_stress}
        results = {name: get[name](self.atoms).tolist() for name in wanted}
        steps = self._steps()
        for name in ("energy", "free_energy", "magmoms"):
            results[name] = self.gpaw.get_property(name, self.atoms)
        results["magmoms"] = results["magmoms"].tolist()
        return results | {
            "converged": True,
            "steps": steps,
            "symmetry_broken": self.symmetry_broken,
            "electrons": self._electrons(),
        }

    def change(self, keywords: dict[str, Any], max_steps: int) -> None:
        """Change how the density is found (mixer, eigensolver, smearing), and keep the density.

        A density that has grown beyond all bounds is not kept.
        """
        self.keywords |= {**keywords, "maxiter": max_steps}
        if self.diverged:
            self._begin_again()
            return
        self.gpaw.params.maxiter = max_steps
        self.gpaw.dft.change(**keywords)

    def density_of_states(self, energies: Any, width: float, bands: int) -> dict[str, Any]:
        """Return curves per spin on `energies` (relative to the Fermi level), and the levels.

        The lowest `bands` bands are converged first, in the density that there is.
        Equivalent atoms get equal curves: the sum over the irreducible k-points has only the sum
        over such atoms right. Each atom's projections are those on its bound partial waves.
        """
        import numpy as np

        if not self._converge_bands(bands):
            return {"converged": False}
        energies = np.array(energies)
        dos = self.gpaw.dos()
        spins = range(dos.nspins)

        def projected(atom: int, number: int) -> Any:
            return [
                dos.raw_pdos(energies, a=atom, l=number, spin=spin, width=width) for spin in spins
            ]

        # A curve of one spin counts one electron per state; without spin it stands for both.
        both = dos.degeneracy
        maps = self.gpaw.dft.ibzwfs.ibz.symmetries.atommap_sa
        atoms: list[dict[str, Any]] = [{} for _ in self.atoms]
        for number, orbital in enumerate("spdf"):
            having = [atom for atom in range(len(atoms)) if self._has(atom, number)]
            raw = {atom: both * np.array(projected(atom, number)) for atom in having}
            for atom in having:
                mean = sum(raw[each[atom]] for each in maps) / len(maps)
                atoms[atom][orbital] = mean.tolist()
        total = [both * dos.raw_dos(energies, spin=spin, width=width) for spin in spins]
        return {
            "converged": True,
            "fermi": float(dos.fermi_level),
            "levels": dos.eig_skn.tolist(),
            "total": [curve.tolist() for curve in total],
            "atoms": atoms,
        }

    def site_potentials(self) -> dict[str, Any]:
        """Return the electrostatic potential at each atom (V), that of the last evaluation.

        Averaged over the atom's compensation charge. GPAW's is the potential energy of an electron,
        hence the sign; its mean over the cell is zero, like that which eigenvalues refer to.
        """
        energies = self.gpaw.get_atomic_electrostatic_potentials()
        return {"potentials": [-float(energy) for energy in energies]}

    def potential_profile(self) -> dict[str, Any]:
        """Return the potential energy of an electron (eV), means over planes of the third axis.

        On the scale of the eigenvalues; outside the atoms it is the electrostatic one.
        """
        grid = self.gpaw.get_electrostatic_potential()
        return {"profile": grid.mean(axis=(0, 1)).tolist()}

    def all_electron_density(self, path: str, refinement: int) -> None:
        """Write the density of all electrons, cores included, per Å³."""
        import numpy as np

        density = self.gpaw.get_all_electron_density(gridrefinement=refinement)
        if self.world.rank == 0:
            np.save(path, np.asarray(density, dtype=float))
        self.world.barrier()

    def save(self, path: str) -> None:
        """Write density and wave functions, in one move."""
        fresh = f"{path}.new"
        self.gpaw.write(fresh, mode="all")
        self.world.barrier()
        if self.world.rank == 0:
            Path(fresh).replace(path)
        self.world.barrier()

    def close(self) -> None:
        """Close the text."""
        self.gpaw = None
        if self.text is not None:
            self.text.close()

    def _steps(self) -> int:
        return int(self.gpaw.dft.scf_loop.niter)

    def _electrons(self) -> float:
        """Return the sum of all occupation numbers: what was computed, not what was asked for."""
        spins = self.gpaw.get_number_of_spins()
        total = 0.0
        for k, weight in enumerate(self.gpaw.get_k_point_weights()):
            for spin in range(spins):
                # Not raw, GPAW 26.7 multiplies its own occupations by the weight, in place.
                occupied = self.gpaw.get_occupation_numbers(kpt=k, spin=spin, raw=True)
                total += float(weight * occupied.sum()) * 2 / spins
        return total

    def _has(self, atom: int, number: int) -> bool:
        from gpaw.dos import get_projector_numbers

        return bool(get_projector_numbers(self.gpaw.setups[atom], number))

    def _converge_bands(self, bands: int) -> bool:
        from gpaw import KohnShamConvergenceError

        dft = self.gpaw.dft
        dft.params.maxiter *= 3
        dft.change(convergence={"bands": bands})
        loop = dft.scf_loop
        loop.update_density_and_potential = False
        loop.fix_fermi_level = True
        for name in ("energy", "density"):
            loop.convergence.pop(name)
        try:
            dft.converge()
        except KohnShamConvergenceError:
            return False
        return True

    def _begin_again(self) -> None:
        """Begin from atomic densities: the symmetry is broken, or the density diverged."""
        moments = None if self.diverged else self.gpaw.dft.results.get("magmoms")
        if moments is not None and self.atoms.get_initial_magnetic_moments().any():
            self.atoms.set_initial_magnetic_moments(moments)
        self.diverged = False
        self.gpaw = self._new(None)

    def _new(self, restart: str | None) -> Any:
        from gpaw.dft import GPAW

        made = None
        if restart is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                made = GPAW(restart, txt=self.text, object_hooks={"xc": functional})
        if made is None:
            keywords = dict(self.keywords)
            made = GPAW(**keywords | {"xc": functional(keywords["xc"])}, txt=self.text)
        made.move_atoms = self._move
        return made

    def _move(self, atoms: Any) -> None:
        """Move the atoms, and the density with them, by the change of a superposition of atoms.

        GPAW by itself goes on from the density of the old wave functions, which stays behind the
        atoms. Copper, one atom of a slab moved by 0.05, 0.02, 0.01 and 0.003 Å: the SCF begins
        220, 38, 11 and 2 meV off and takes 12, 10, 9 and 6 steps with GPAW's density, 2 meV and
        less off and 9, 8, 7 and 5 steps with this one.
        """
        dft = self.gpaw.dft
        density = dft.density
        before = superposition(dft)

        def follow(_wave_functions: Any, **_: Any) -> None:
            change = superposition(dft)
            change.data -= before.data
            # Splines on a grid: what they lose or gain in charge is no change.
            change.data -= (change.integrate() / change.desc.volume)[:, None, None, None]
            density.nt_sR.data += change.data

        density.update = follow
        try:
            dft.move_atoms(atoms)
        finally:
            del density.update
        self.gpaw._atoms = atoms.copy()  # noqa: SLF001 - as the method does that this one replaces


def _numbers_ran_away(error: Exception) -> bool:
    """Tell whether an error comes of a diverged density: NaN, or no Fermi level to be found."""
    if type(error).__name__ == "LinAlgError" or "NaN" in str(error):
        return True
    return traceback.extract_tb(error.__traceback__)[-1].name == "findroot"


def superposition(dft: Any) -> Any:
    """Return the pseudo density of free atoms where the atoms are, with the moments they have."""
    import numpy as np
    from gpaw.new.basis import create_basis
    from gpaw.new.density import atomic_occupation_numbers

    density, count = dft.density, len(dft.setups)
    moments = np.zeros((count, 3))
    if density.ncomponents > 1:
        moments = density.calculate_magnetic_moments()[1]
    occupied = {
        atom: atomic_occupation_numbers(setup, moments[atom], density.ncomponents)
        for atom, setup in enumerate(dft.setups)
    }
    total = density.nt_sR.new(zeroed=True)
    grid = total.desc
    basis = create_basis(
        dft.ibzwfs.ibz,
        min(density.ncomponents, 2),
        grid.pbc_c,
        grid,
        dft.setups,
        float,
        dft.relpos_ac,
    )
    basis.add_to_density(total.data, occupied)
    return total


def functional(keyword: str | dict[str, Any]) -> Any:
    """Return GPAW's functional parameter; PBEsol works on the PAW data sets made for PBE.

    No data sets are published for PBEsol. The frozen core and the projectors are PBE's, the energy
    and the potential PBEsol's, inside the spheres too.
    """
    from gpaw.dft import XC

    class OnDataSetsOfPBE(XC):  # type: ignore[misc, unused-ignore]
        def functional(self, **arguments: Any) -> Any:
            made = super().functional(**arguments)
            made.get_setup_name = lambda: "PBE"
            return made

    keyword = {"name": keyword} if isinstance(keyword, str) else dict(keyword)
    return (OnDataSetsOfPBE if keyword["name"] == "PBEsol" else XC)(**keyword)


def obey(
    calculations: dict[str, Calculation], command: dict[str, Any], world: Any
) -> dict[str, Any]:
    """Do what one line asks, and return the answer."""
    verb, name = command.pop("command"), command.pop("calculation")
    if verb == "setup":
        calculations[name] = Calculation(command, world)
        return {}
    if verb == "close":
        calculations.pop(name).close()
        return {}
    return getattr(calculations[name], verb)(**command) or {}


def listen(lines: queue.SimpleQueue[str]) -> NoReturn:
    """Put the lines of standard input into `lines`; end the program when the other side is gone."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def main() -> None:
    """Answer commands until told to quit."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import gpaw
    from gpaw.mpi import broadcast, world

    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    if world.rank == 0:
        threading.Thread(target=listen, args=(lines,), daemon=True).start()

    def answer(content: dict[str, Any]) -> None:
        if world.rank == 0:
            answers.write(f"{MARK}{json.dumps(content)}\n")
            answers.flush()

    answer({"version": gpaw.__version__, "ranks": world.size})
    calculations: dict[str, Calculation] = {}
    while True:
        line = broadcast(lines.get() if world.rank == 0 else None, comm=world)
        command = json.loads(line)
        if command["command"] == "quit":
            break
        answer(obey(calculations, command, world))
    for calculation in calculations.values():
        calculation.close()


if __name__ == "__main__":
    main()
