"""One line for what pydantic refuses: field, bound and value."""

from pydantic import ValidationError


def one_line(owner: str, error: ValidationError) -> str:
    """Return the first complaint of a validation error as one line that names field, bound and value."""
    errors = error.errors(include_url=False)
    # Of a union's complaints the last one speaks of the table form, the first one of the plain value.
    first = errors[-1] if isinstance(errors[0]["input"], dict) else errors[0]
    fields = [part for part in first["loc"] if isinstance(part, int) or (part[:1].islower() and "[" not in part)]
    fields = [part for k, part in enumerate(fields) if k == 0 or part != fields[k - 1]]
    where = owner + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fields)
    bound = {
        "greater_than": "must be > {gt}",
        "greater_than_equal": "must be >= {ge}",
        "less_than": "must be < {lt}",
        "less_than_equal": "must be <= {le}",
        "missing": "is missing",
        "extra_forbidden": "is not a known field",
        "int_from_float": "must be a whole number",
        "literal_error": "must be {expected}",
        "string_pattern_mismatch": "must match {pattern}",
        "union_tag_invalid": "must have a {discriminator} among {expected_tags}",
        "union_tag_not_found": "must have a {discriminator}",
        "too_short": "must have at least {min_length} entries",
        "too_long": "must have at most {max_length} entries",
    }.get(first["type"])
    text = bound.format(**first.get("ctx", {})) if bound else _plain(first["msg"])
    text = f"{where} {text}" if fields else f"{where}.{text}"
    complete = not fields or first["type"] == "missing" or ", got " in text
    return text if complete else f"{text}, got {_short(first['input'])}"


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message.replace("should", "must", 1)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
