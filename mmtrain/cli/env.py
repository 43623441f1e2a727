"""`mmtrain env`: what this machine has of what training needs."""

from __future__ import annotations

import sys

NAME = "env"


def command() -> int:
    """Say what this machine has of what training needs."""
    from mmtrain.environment import look

    found = look()
    print(f"python {found.python}")
    for library in found.libraries:
        state = library.installed or "missing"
        print(f"{'ok ' if library.fits else '-- '} {library.name:<14} {state:<14} wanted {library.wanted}")
    print(f"accelerators: {', '.join(found.devices) or 'none seen'}")
    if not found.ready:
        print("install what is missing: pip install 'mmdata-mmtrain[train]'", file=sys.stderr)
    return 0 if found.ready else 1
