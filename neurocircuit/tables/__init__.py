"""TransferTable: output jitter over input jitter and weight bits, one file that stands alone."""

from neurocircuit.core.netcdf import read_dataset
from neurocircuit.tables.compare import Difference
from neurocircuit.tables.render import percent_text
from neurocircuit.tables.transfer import HALVES, STATISTICS, TransferTable

__all__ = ["HALVES", "STATISTICS", "Difference", "TransferTable", "percent_text", "read_dataset"]
