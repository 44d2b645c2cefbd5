"""The documentation builds as a site without a warning, a dead link is one, and the search needs no server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neurocircuit as nc

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)")


def build(source: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", str(source / "docs")]
    return subprocess.run([*command, str(source), str(out)], capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    built = build(ROOT, out)
    assert built.returncode == 0, built.stderr
    return out


def test_every_page_is_there_and_the_search_is_a_script_not_a_request(site: Path) -> None:
    pages = {path.relative_to(ROOT).with_suffix(".html") for path in ROOT.glob("docs/**/*.md")}
    assert {page for page in pages if not (site / page).exists()} == set()
    assert (site / "searchindex.js").stat().st_size > 100_000
    for page in (site / "docs/index.html", site / "docs/reference/cli.html"):
        assert not re.findall(r'(?:src|href)="(https?://[^"]*\.(?:js|css|woff2?))"', page.read_text("utf-8"))


def test_the_reference_has_every_public_name_and_command(site: Path) -> None:
    api = (site / "docs/reference/api.html").read_text("utf-8")
    modules = {"data", "snn"}  # their functions stand there
    assert [name for name in nc.__all__ if name not in modules and f'id="neurocircuit.{name}"' not in api] == []
    commands = (site / "docs/reference/cli.html").read_text("utf-8")
    from neurocircuit.cli import SECTIONS

    assert [name for names in SECTIONS.values() for name in names if f'id="neurocircuit-{name}"' not in commands] == []


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/conf.py", tmp_path / "docs/conf.py")
    shutil.copytree(ROOT / "docs/_static", tmp_path / "docs/_static")
    (tmp_path / "docs/index.md").write_text("# Title\n\n[there](index.md)\n")
    assert build(tmp_path, tmp_path / "good").returncode == 0
    (tmp_path / "docs/index.md").write_text("# Title\n\n[nowhere](missing.md)\n")
    built = build(tmp_path, tmp_path / "bad")
    assert built.returncode != 0
    assert "missing.md" in built.stderr


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/index.md", "docs/results.md"])
def test_relative_links_lead_to_files(name: str) -> None:
    path = ROOT / name
    targets = LINK.findall(path.read_text("utf-8"))
    assert targets or name == "CHANGELOG.md"
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_readme_is_short_and_names_the_paper() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 150
    assert "10.1609/aaai.v35i12.17329" in text
