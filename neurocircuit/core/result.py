"""Result: what a run found, as one typed, validated object with a file format of its own."""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from neurocircuit.core.files import finite_or_null, make_directory, read_json_object, write_atomically
from neurocircuit.core.provenance import RunRecord
from neurocircuit.core.validation import one_line
from neurocircuit.errors import FileFormatError, InputError

RESULT, RUN = "result.json", "run.json"

# A number that may be unknown: nan in Python, null in JSON, which lacks nan and inf.
Number = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None, return_type=float | None, when_used="json"),
]


class Values(BaseModel):
    """Base of the frozen, validated parts of a result; fields hold SI values and plain types."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(Values):
    """What a run found.

    A subclass names its `kind`, adds its fields, and says in `summary` what a user reads first. On disk a result is a
    folder: what `files` gives, and result.json, which is written last and so marks a finished run.

    >>> class Toss(Result):
    ...     kind: ClassVar[str] = "toss"
    ...     heads: int
    ...     def summary(self) -> str:
    ...         return f"{self.heads} heads"
    >>> Toss(heads=3).to_dict()
    {'kind': 'toss', 'schema': 1, 'run': None, 'heads': 3}
    >>> print(Toss(heads=3))
    3 heads
    """

    kind: ClassVar[str]
    schema_version: ClassVar[int] = 1

    run: RunRecord | None = None

    def summary(self) -> str:
        """Return what the run found, in a few lines of plain text."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.summary()

    @property
    def exit_code(self) -> int:
        """What the command that gives this result ends with: 0, or the code of what stays wrong in it."""
        return 0

    def files(self) -> Mapping[str, bytes | str]:
        """Return the other files of the run by their names in its folder; tables and arrays that JSON is not for."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of result.json; nan and inf are None."""
        values: dict[str, Any] = finite_or_null(self.model_dump(mode="json"))
        return {"kind": self.kind, "schema": self.schema_version} | values

    @property
    def content_sha256(self) -> str:
        """Hash of what was found, whoever ran it and when."""
        content = self.to_dict() | {"run": None}
        return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()

    def save(self, out: Path | str) -> Path:
        """Write the run into the folder `out`, result.json last, and return the folder.

        Raise InputError naming the folder or the file that cannot be written.
        """
        folder = Path(out)
        make_directory(folder)
        for name, content in self.files().items():
            write_atomically(folder / name, content)
        self.write(folder / RESULT)
        return folder

    def write(self, file: Path) -> Path:
        """Write the content of result.json into a file of another name, beside what it is about, and return its path.

        Raise InputError naming the file when it cannot be written.
        """
        write_atomically(file, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")
        return file

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a result from its folder, or from its file (result.json, run.json).

        Raise InputError where there is none, FileFormatError for a result of another kind, another schema version, or
        with a field that is missing, unknown or out of bounds.
        """
        file = _file(path)
        values = read_json_object(file)
        kind, schema = values.pop("kind", None), values.pop("schema", None)
        if kind != cls.kind:
            raise FileFormatError(f"{file} must be a result of kind {cls.kind}, got {kind!r}")
        if schema != cls.schema_version:
            raise FileFormatError(f"{file} must have schema {cls.schema_version}, got {schema!r}")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise FileFormatError(f"{file}: {one_line(cls, error)}") from None


class FolderResult(Result):
    """What a long run found that writes its folder while it runs; its fields are the record run.json, written last."""

    _out: Path = PrivateAttr(Path())
    _report: Path | None = PrivateAttr(None)

    @property
    def out(self) -> Path:
        """Folder of the run's files."""
        return self._out

    @property
    def report(self) -> Path | None:
        """Page that was written with the run; None without."""
        return self._report

    @model_validator(mode="before")
    @classmethod
    def _without_exit_code(cls, values: dict[str, Any]) -> dict[str, Any]:
        """It stands in run.json and follows from the other fields."""
        return {name: value for name, value in values.items() if name != "exit_code"}

    @classmethod
    def of(cls, record: Mapping[str, Any], out: Path, report: Path | None = None) -> Self:
        """Return the result whose record is the content of run.json in `out`."""
        result = cls.model_validate({name: value for name, value in record.items() if name not in ("kind", "schema")})
        result._out, result._report = out, report
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the content of run.json."""
        return super().to_dict() | {"exit_code": self.exit_code}

    def beside_record(self) -> dict[str, Any]:
        """Return what a command says beside the record: the files."""
        return {"out": str(self.out), "report": str(self.report) if self.report else None}

    def save(self, out: Path | str) -> Path:
        """Copy the run into the folder `out`, run.json last, unless it stands there already; return the folder.

        Raise InputError naming what cannot be written.
        """
        folder = Path(out)
        if folder.resolve() == self.out.resolve():
            return folder
        try:
            shutil.copytree(self.out, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RUN))
        except OSError as error:
            raise InputError(f"cannot copy {self.out} to {folder}: {error}") from None
        self.write(folder / RUN)
        return folder

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a run from its folder, or from its run.json. Raise as `Result.load`."""
        result = super().load(path)
        result._out = _file(path).parent
        return result


def kind_of(path: Path | str) -> str:
    """Return the kind of the result in a folder. Raise InputError or FileFormatError where there is none."""
    file = _file(path)
    kind = read_json_object(file).get("kind")
    if not isinstance(kind, str):
        raise FileFormatError(f"{file} must name its kind, got {kind!r}")
    return kind


def _file(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_dir():
        return path
    return path / RUN if (path / RUN).exists() and not (path / RESULT).exists() else path / RESULT
