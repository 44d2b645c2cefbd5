"""What a characterisation says at its end, from the published measurements of generic65."""

import json
import shutil
from pathlib import Path

import pytest

from neurocircuit.studies.characterisation import SHOWN_TRIMS, Characterisation

PUBLISHED = Path("reports/published/datasheet-generic65")


@pytest.fixture
def trimmed(tmp_path):
    """Return a run in which so many conditions were trimmed and nothing else was made."""

    def run(count: int) -> Characterisation:
        for k in range(count):
            folder = tmp_path / f"conditions/tt_{k}C_1V"
            folder.mkdir(parents=True)
            shutil.copy(PUBLISHED / "conditions/tt_27C_1V/trim.json", folder)
        record = json.loads((PUBLISHED / "run.json").read_text()) | {"failed": [], "status": "complete"}
        return Characterisation.of(record, tmp_path)

    return run


def test_a_trim_alone_has_a_verdict(trimmed):
    spec, trim = trimmed(1).summary().splitlines()
    assert spec.startswith("spec:   none: it needs the measurement kernel")
    assert trim.startswith("tt_0C_1V trim: reached, VCO1 runs at 749.4 MHz; left of the lock's phase 1.3 mrad (half a")


def test_many_trims_are_counted(trimmed):
    lines = trimmed(SHOWN_TRIMS + 3).summary().splitlines()
    assert len(lines) == 1 + SHOWN_TRIMS + 1
    assert lines[-1] == "and 3 more trims that reached their aim"


def test_a_condition_with_a_spec_needs_no_verdict_of_its_trim():
    published = Characterisation.of(json.loads((PUBLISHED / "run.json").read_text()), PUBLISHED)
    assert not any("27C_1V trim" in line for line in published.trims())
