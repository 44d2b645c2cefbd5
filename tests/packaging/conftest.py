"""Wheels built from the checkout and installed apart from it, once for all tests."""

from pathlib import Path

import pytest
from environments import Installed, build_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(folder, f"--config-settings=build-dir={folder / 'build'}")  # nothing stale, nobody else in it


@pytest.fixture(scope="session")
def wheel_without_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel-without-kernel")
    # A build folder of its own: the one of the checkout remembers a compiler that works.
    own_build = f"--config-settings=build-dir={folder / 'build'}"
    return build_wheel(folder, own_build, CC="/bin/false", CXX="/bin/false")


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="session")
def installed_without_kernel(wheel_without_kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed-without-kernel"), wheel_without_kernel)
