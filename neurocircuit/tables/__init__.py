"""TransferTable: output jitter over input jitter and weight bits, one file that stands alone."""

from neurocircuit.core.netcdf import read_dataset
from neurocircuit.tables.jitter import STATISTICS
from neurocircuit.tables.render import percent_text
from neurocircuit.tables.transfer import HALVES, TransferTable

__all__ = ["HALVES", "STATISTICS", "TransferTable", "percent_text", "read_dataset"]
