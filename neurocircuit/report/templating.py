"""The jinja templates of all reports, under one set of rules."""

import jinja2

from neurocircuit.report import content


def template(name: str) -> jinja2.Template:
    """A template of this package; a name that it misses is an error, and HTML is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("neurocircuit.report", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["powers"] = content.powers
    return environment.get_template(name)
