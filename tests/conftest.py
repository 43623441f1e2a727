"""What all tests share: a clean example data set, and the folder of real files where there is one."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def load_script(path: Path) -> object:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def example_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set that ``examples/make_data.py`` makes; not to be changed."""
    make_data = load_script(ROOT / "examples" / "make_data.py")
    return make_data.main(str(tmp_path_factory.mktemp("data") / "clean"))  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real files written by others, from the folder that MMDATA_SAMPLES names."""
    folder = os.environ.get("MMDATA_SAMPLES")
    if not folder:
        pytest.skip("MMDATA_SAMPLES names no folder of real files")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini data sets that ``examples/make_domains.py`` makes; not to be changed."""
    folder = tmp_path_factory.mktemp("domains")
    load_script(ROOT / "examples" / "make_domains.py").make_all(folder)  # type: ignore[attr-defined]
    return folder
