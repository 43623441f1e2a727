"""`mmtrain env`: what this machine has of what training needs."""

from __future__ import annotations

NAME = "env"


def command() -> int:
    """Say what this machine has of what training needs."""
    from mmtrain.environment import look

    found = look()
    print(f"Python {found.python}")
    for library in found.libraries:
        state = "ok" if library.fits else "missing" if library.installed is None else "does not fit"
        print(f"{library.name:14} {library.installed or '-':12} {library.wanted:10} {state}")
    for device in found.devices:
        print(f"device: {device}")
    if not found.devices:
        print("device: CPU only")
    if not found.ready:
        print("pip install 'mmdata-mmtrain[train]' brings what is missing")
    return 0 if found.ready else 1
