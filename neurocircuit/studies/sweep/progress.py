"""Progress on stderr: a bar with an estimate on a terminal, nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from neurocircuit.studies.sweep.plan import Batch


@contextmanager
def shown(batches: Sequence[Batch]) -> Iterator[Callable[[Batch], None]]:
    """A function to call with each batch as it ends; the bar moves by their rough cost."""
    if not sys.stderr.isatty():
        yield lambda batch: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[done]}/{task.fields[all]} batches"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=sum(batch.cost for batch in batches), done=0, all=len(batches))

        def advance(batch: Batch) -> None:
            progress.update(task, advance=batch.cost, done=progress.tasks[0].fields["done"] + 1)

        yield advance
