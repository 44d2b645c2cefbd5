"""TransferTable: output jitter over input jitter and weight bits, one file that stands alone."""

from neurocircuit.table.compare import Difference
from neurocircuit.table.netcdf import read_dataset
from neurocircuit.table.render import percent_text
from neurocircuit.table.transfer import HALVES, STATISTICS, TransferTable

__all__ = ["HALVES", "STATISTICS", "Difference", "TransferTable", "percent_text", "read_dataset"]
