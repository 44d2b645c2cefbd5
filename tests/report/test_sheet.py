"""Reports of headed parts: what stands beside them."""

import re

import pytest

from neurocircuit.report.page import Picture
from neurocircuit.report.sheet import Part, Sheet, write


@pytest.mark.parametrize("names", [("network.mapping", "real.mapping"), ("table.calibration", "report")])
def test_reports_that_share_a_folder_keep_their_own_figures(tmp_path, names):
    for name in names:
        picture = Picture("limits", "Limits.", name.encode(), b"")
        write(Sheet("Title", "Answer.", (Part("One", pictures=(picture,)),)), tmp_path / f"{name}.html")
    for name in names:
        (linked,) = re.findall(r"\]\((.+?)\)", (tmp_path / f"{name}.md").read_text())
        assert (tmp_path / linked).read_bytes() == name.encode()
