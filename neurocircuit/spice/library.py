"""Model files as a foundry or a user gives them: read as text, never trusted, and made readable for ngspice.

Nothing that a file says is run. Files that ngspice reads as they stand are left where they are; where one is not so
(compressed, of another encoding, of HSPICE's level 53), all of them go beside the deck as translated copies.
"""

import functools
import gzip
import os.path
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from neurocircuit.errors import InputError

LARGEST_FILE_bytes = 256 << 20
_GZIP, _UTF16, _UTF8 = b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff"), b"\xef\xbb\xbf"
# ngspice runs what stands in a .control block and behind *#, wherever; an element A may start programs and read files.
# Behind *# a further # or * makes a comment, as the rulers of many libraries.
_COMMAND = re.compile(
    r"^[^\S\n]*(?:\.control|\.endc|\*#(?![^\S\n]*(?:[#*]|$))|a\w*[^\S\n])[^\n]*", re.IGNORECASE | re.MULTILINE
)
_ENCRYPTED = re.compile(r"^[^\S\n]*\.prot(?:ect)?\b[^\n]*", re.IGNORECASE | re.MULTILINE)
# `.include FILE`, `.lib FILE SECTION`; `.lib SECTION` alone begins a section.
_INCLUDE = re.compile(
    r"^[^\S\n]*\.(?:inc\w*[^\S\n]+(?P<file>'[^'\n]*'|\"[^\"\n]*\"|\S+)"
    r"|lib[^\S\n]+(?P<library>'[^'\n]*'|\"[^\"\n]*\"|\S+)[^\S\n]+[\w'\"])",
    re.IGNORECASE | re.MULTILINE,
)
# What a name may be, so that ngspice and this module read the same one.
_PATH = re.compile(r"[\w ./+:-]+")
_MODEL = re.compile(
    r"^[ \t]*\.model[ \t]+(?P<name>\S+)[^\n]*(?:\n[ \t]*(?:[+*$][^\n]*)?(?=\n|\Z))*", re.IGNORECASE | re.MULTILINE
)
_SECTION = re.compile(
    r"^[^\S\n]*\.lib[^\S\n]+['\"]?([\w.-]+)['\"]?[^\S\n]*(?:[$;][^\n]*)?$", re.IGNORECASE | re.MULTILINE
)
_LEVEL = re.compile(r"(\blevel\s*=\s*)(\d+)(?:\.0*)?\b", re.IGNORECASE)
_RANDOM = re.compile(r"(?<![\w.])(?:a?gauss|a?unif|limit)\s*\(", re.IGNORECASE)
# HSPICE's level 53 is BSIM3v3 as Berkeley released it, which is ngspice's 49. HSPICE's parameters below change nothing
# where they are 0: a switch that is off, a length, shift or resistance of nothing. ngspice's BSIM4 knows xl and xw.
_BSIM3, _BSIM4 = ("8", "49", "53"), ("14", "54")
_ZERO_IN_BOTH = ("acm", "calcacm", "hdif", "ldif", "rdc", "rsc", "nqsmod", "tlev", "tlevc", "binflag")
_ZERO_IN_BSIM3 = (*_ZERO_IN_BOTH, "xl", "xw")
_ZERO = r"[-+]?(?:0+\.?0*|\.0+)(?:e[-+]?\d+)?(?![\w.])"
_TO_TRANSLATE = re.compile(rf"\blevel\s*=\s*53\b|\b(?:{'|'.join(_ZERO_IN_BSIM3)})\s*=\s*{_ZERO}", re.IGNORECASE)
_VALUE = r"(?:'[^']*'|\{[^}]*\}|[^\s(),]+)"


@dataclass(frozen=True)
class _Source:
    """One file: its hash, its text as ngspice can read it, whether that differs, and what it includes, by line."""

    sha256: str
    text: str
    translated: bool
    includes: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Library:
    """The model files of a process with all that they include.

    texts: translated copies by the name under which a deck finds them; empty where ngspice reads the files themselves.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    _names: Mapping[Path, str] = field(default_factory=dict)
    _sources: Mapping[Path, _Source] = field(default_factory=dict)

    @property
    def texts_by_file(self) -> dict[Path, str]:
        """Text of each file as ngspice reads it, those of the process first."""
        return {path: source.text for path, source in self._sources.items()}

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, those of the process first."""
        return tuple(self._sources)

    def name_in_deck(self, path: Path) -> str | None:
        """Return the name of a file's translated copy beside the deck, None where the file itself serves."""
        return self._names.get(_plain(path))

    def hash_of(self, paths: Sequence[Path]) -> str:
        """Return a hash of files and of all that they include."""
        reached = dict.fromkeys(map(_plain, paths))
        open_paths = list(reached)
        while open_paths:
            path = open_paths.pop()
            included = (_plain(path.parent / name) for _, name in self._sources[path].includes)
            new = [path for path in dict.fromkeys(included) if path in self._sources and path not in reached]
            reached |= dict.fromkeys(new)
            open_paths += new
        return sha256("".join(self._sources[path].sha256 for path in reached).encode()).hexdigest()

    def random_call(self) -> str | None:
        """Return the first place where a file draws a random number, "FILE, line N", None where none does."""
        for path, source in self._sources.items():
            for match in _RANDOM.finditer(source.text):
                line = source.text[source.text.rfind("\n", 0, match.start()) + 1 : match.start()]
                if not line.lstrip().startswith(("*", "$")):
                    return _location(path, source.text, match.start())
        return None

    def location_of_model(self, name: str, parameters: Sequence[str] = ()) -> str:
        """Return "FILE, line N" of the model of that name that has one of the parameters; "" where there is none.

        name: as ngspice prints it, in a subcircuit behind the calls, or with the number of its bin.
        """
        lowered = name.lower()
        last = re.split(r"[.:]", lowered)[-1]
        for path, source in self._sources.items():
            for model in _MODEL.finditer(source.text):
                listed = model["name"].lower()
                if listed not in (lowered, last) and not lowered.startswith(f"{listed}."):
                    continue
                if not parameters or any(
                    re.search(rf"(?<![\w.]){re.escape(word)}\s*=", model[0], re.I) for word in parameters
                ):
                    return _location(path, source.text, model.start())
        return ""

    def section_fault(self, file: str, section: str) -> str:
        """Return what is wrong with a section (.lib FILE SECTION) of a file by its name, "" where it is there."""
        texts = [source.text for path, source in self._sources.items() if path.name == Path(file).name]
        sections = dict.fromkeys(match[1] for text in texts for match in _SECTION.finditer(text))
        if not texts or section.lower() in map(str.lower, sections):
            return ""
        hint = f"it has {', '.join(sections)}" if sections else "it has none, so leave section out"
        return f"{Path(file).name} has no section {section} ({hint}); correct corners in the process file"

    def absent_includes(self) -> tuple[str, ...]:
        """Return "FILE, line N includes NAME" for each included file that is not beside the file that includes it."""
        return tuple(
            f"{path}, line {line} includes {name}"
            for path, source in self._sources.items()
            for line, name in source.includes
            if not (path.parent / name).is_file()
        )

    def location_of_include(self, name: str) -> str:
        """Return "FILE, line N" of the line that includes a file of that name; "" where none does."""
        for path, source in self._sources.items():
            for line, included in source.includes:
                if included == name or Path(name).name == Path(included).name:
                    return f"{path}, line {line}"
        return ""


def read_library(paths: Sequence[Path], root: Path, ignored: Sequence[str] = ()) -> Library:
    """Return the files with all that they include.

    root: relative paths must stay below it. ignored: parameters of models to leave out. An included file that is not
    there is passed over where its name has no folder: it may stand in a section that no corner uses, and else ngspice
    says so.

    Raise InputError, with file and line, for a file that holds commands, is encrypted or no text, that leaves the
    root, or that wants a variable of the shell in a path.
    """
    sources: dict[Path, _Source] = {}
    for path in paths:
        _collect(path, root, tuple(word.lower() for word in ignored), sources)
    if not any(source.translated for source in sources.values()):
        return Library({}, {}, sources)
    names = {path: f"models{k}_{path.name.removesuffix('.gz')}" for k, path in enumerate(sources)}
    texts = {names[path]: _with_names(path, source.text, names) for path, source in sources.items()}
    return Library(texts, names, sources)


def stays_within(path: str, beside: Path, root: Path) -> bool:
    """Return whether a path, relative to `beside`, does not lead out of `root`; an absolute one is the user's word."""
    return Path(path).is_absolute() or _plain(beside / path).is_relative_to(_plain(root))


def read_text(path: Path) -> str:
    """Return a netlist's text: UTF-8, UTF-16 with its mark, else Latin-1; gzip is unpacked, line ends are newlines.

    Raise InputError for a file that cannot be read or is no text.
    """
    return _decoded(path, _bytes(path))


def refuse_commands(path: Path, text: str) -> None:
    """Raise InputError with file and line for what ngspice would run, and for an encrypted part."""
    if command := _COMMAND.search(text):
        raise InputError(
            f"{_location(path, text, command.start())}: {command[0].strip()[:40]!r} would run commands or code of its "
            "own, which no model file or cell may; take it out"
        )
    if encrypted := _ENCRYPTED.search(text):
        raise InputError(
            f"{_location(path, text, encrypted.start())}: .prot begins an encrypted part; ask for plain text"
        )


def _collect(path: Path, root: Path, ignored: tuple[str, ...], sources: dict[Path, _Source]) -> None:
    path = _plain(path)
    if path in sources:
        return
    state = path.stat()
    source = _source(path, state.st_mtime_ns, state.st_size, ignored)
    sources[path] = source
    for line, name in source.includes:
        if not stays_within(name, path.parent, root):
            raise InputError(f"{path}, line {line}: {name} leads out of {root}; give it as an absolute path")
        included = path.parent / name
        if included.exists() and included.resolve() != _plain(included).resolve():
            raise InputError(f"{path}, line {line}: {name} goes back through a link; write the path without it")
        if included.is_file():
            _collect(included, root, ignored, sources)
        elif (
            "/" in name
        ):  # ngspice would look for it from the deck's folder too, from which the process's can be reached
            raise InputError(f"{path}, line {line} includes {name}, which is not there")


@functools.lru_cache(maxsize=512)
def _source(path: Path, modified_ns: int, size_bytes: int, ignored: tuple[str, ...]) -> _Source:
    """Return a file, read once as long as it stays as it is: date and size only tell one state from another."""
    data = _bytes(path)
    text = _decoded(path, data)
    refuse_commands(path, text)
    includes = tuple(_includes(path, text))
    is_affected = _TO_TRANSLATE.search(text) or any(
        re.search(rf"{re.escape(word)}\s*=", text, re.IGNORECASE) for word in ignored
    )
    readable = _MODEL.sub(lambda model: _for_ngspice(model[0], ignored), text) if is_affected else text
    plain = not data.startswith((_GZIP, *_UTF16, _UTF8)) and _is_utf8(data) and b"\r" not in data.replace(b"\r\n", b"")
    return _Source(sha256(data).hexdigest(), readable, not plain or readable != text, includes)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file" if path.exists() else f"{path} is not there")
        if path.stat().st_size > LARGEST_FILE_bytes:
            raise InputError(f"{path} must have at most {LARGEST_FILE_bytes >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _decoded(path: Path, data: bytes) -> str:
    if data.startswith(_GZIP):
        try:
            with gzip.open(path) as unpacked:
                data = unpacked.read(LARGEST_FILE_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} is a damaged gzip file: {error}") from None
        if len(data) > LARGEST_FILE_bytes:
            raise InputError(f"{path} must unpack to at most {LARGEST_FILE_bytes >> 20} MiB")
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig" if _is_utf8(data) else "latin-1"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text file") from None
    if "\0" in text:
        raise InputError(f"{path} is no text file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _includes(path: Path, text: str) -> Iterator[tuple[int, str]]:
    for match in _INCLUDE.finditer(text):
        name = (match["file"] or match["library"]).strip("'\"")
        line = text.count("\n", 0, match.start()) + 1
        if "$" in name:
            raise InputError(
                f"{path}, line {line}: {name} holds a variable, which ngspice does not know; write the path"
            )
        if not _PATH.fullmatch(name):
            raise InputError(
                f"{path}, line {line}: a path must hold letters, digits and _ . / + : - only, got {name!r}"
            )
        yield line, name


def _for_ngspice(model: str, ignored: tuple[str, ...]) -> str:
    """Return the text of a .model statement with the level that ngspice knows, and without what it need not know."""
    level = _LEVEL.search(model)
    neutral = {**dict.fromkeys(_BSIM3, _ZERO_IN_BSIM3), **dict.fromkeys(_BSIM4, _ZERO_IN_BOTH)}
    for words, value in ((neutral.get(level[2], ()) if level else (), _ZERO), (ignored, _VALUE)):
        if words:
            model = re.sub(
                rf"(?<![\w.])(?:{'|'.join(map(re.escape, words))})[ \t]*=[ \t]*{value}", "", model, flags=re.IGNORECASE
            )
    return _LEVEL.sub(r"\g<1>49", model, count=1) if level and level[2] == "53" else model


def _with_names(path: Path, text: str, names: Mapping[Path, str]) -> str:
    """Return a text whose includes name the copies beside the deck."""

    def renamed(match: re.Match[str]) -> str:
        quoted = match["file"] or match["library"]
        included = _plain(path.parent / quoted.strip("'\""))
        return match[0].replace(quoted, f"'{names.get(included, included)}'", 1)

    return _INCLUDE.sub(renamed, text)


def _plain(path: Path) -> Path:
    """Return an absolute path without `..`; links are left as they are, for a PDK may be made of them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _location(path: Path, text: str, at: int) -> str:
    return f"{path}, line {text.count(chr(10), 0, at) + 1}"
