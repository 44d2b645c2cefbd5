"""Groups of commands that list them without importing them, so that --help stays fast."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from neurocircuit.core.suggest import nearest
from neurocircuit.errors import Stopped


class LazyGroup(click.Group):
    """A group whose commands stand in modules of their own, each imported only when it is called.

    sections: texts of the commands by heading and name; package: where the modules are, under the commands' names.
    """

    def __init__(
        self, name: str, *, help: str, sections: Mapping[str, Mapping[str, str]], package: str, **options: object
    ) -> None:
        super().__init__(name, help=help, no_args_is_help=True, **options)  # type: ignore[arg-type]
        self.sections = sections
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return [name for commands in self.sections.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is called."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named; an unknown name is told with the nearest command."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.UsageError(f"No such command {args[0]!r}{nearest(args[0], self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a Ctrl-C keeps the words with which it was passed on, which click would drop."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Stopped(str(error) or "stopped") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the texts, a section for each heading."""
        width = max(map(len, self.list_commands(ctx)))
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])
