"""Which managers there are, and which of them a store has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defectflow.launch.site import load_site, locate

if TYPE_CHECKING:
    from defectflow.launch.submissions import Manager


def manager_to_submit(to: str, url: str, queue: str, folder: str) -> Manager:
    """Return a manager that takes recipes, made where there is none.

    Parameters
    ----------
    to
        ``fireworks`` or ``jobflow-remote``.
    url
        URL of the store, a server's.
    queue
        Queue file.
    folder
        Folder that all machines see.

    Raises
    ------
    DefectflowError
        If the queue file is wrong or the database cannot be used.
    """
    site, path = load_site(queue), str(locate(queue))
    if to == "fireworks":
        from defectflow.launch.fireworks_manager import FireWorksManager
        from defectflow.launch.launchpads import open_launchpad

        pad = open_launchpad(url)
        return FireWorksManager(pad, url, folder, site, path)
    from defectflow.launch.remote_manager import RemoteManager

    return RemoteManager.made(url, folder, site, path)


def managers(url: str) -> list[Manager]:
    """Return the managers to which something was submitted in this store."""
    from defectflow.launch.fireworks_manager import FireWorksManager, site_of
    from defectflow.launch.launchpads import open_launchpad
    from defectflow.launch.remote_manager import RemoteManager

    found: list[Manager] = []
    pad = open_launchpad(url, create=False)
    if pad is not None:
        site, queue, folder = site_of(pad)
        found.append(FireWorksManager(pad, url, folder, site, queue))
    remote = RemoteManager.found(url)
    return [*found, remote] if remote is not None else found
