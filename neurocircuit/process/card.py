"""What a model card says of itself: transistors, corners, supply and shortest channel, as far as they can be told."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neurocircuit.errors import InputError
from neurocircuit.spice.library import Library, read_library, read_text

_MODEL = re.compile(
    r"^[ \t]*\.model[ \t]+(?P<name>[^\s(]+)[ \t]+(?P<type>nmos|pmos)\b"
    r"(?P<rest>[^\n]*(?:\n[ \t]*(?:[+*$][^\n]*)?(?=\n|\Z))*)",
    re.IGNORECASE | re.MULTILINE,
)
_SUBCKT = re.compile(r"^[ \t]*\.subckt[ \t]+(?P<name>\S+)[ \t]+(?P<rest>[^\n]*(?:\n[ \t]*\+[^\n]*)*)", re.I | re.M)
_SECTION = re.compile(r"^[ \t]*\.lib[ \t]+(?P<name>'[^'\n]*'|\"[^\"\n]*\"|\w+)[ \t]*(?:[*$;][^\n]*)?$", re.I | re.M)
_POLARITY = re.compile(
    r"(?:^|[_\W])(?P<polarity>[np])(?:mos|fet|ch|hv|lv)|(?P<other>[np])(?:mos|fet|ch)", re.IGNORECASE
)
_TYPICAL = ("tt", "typical", "typ", "nom", "nominal", "mos_tt")
_CORNER = re.compile(r"(?:mos_?)?(?:tt|ss|ff|sf|fs|snfp|fnsp|typ(?:ical)?|nom(?:inal)?|slow|fast)", re.IGNORECASE)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"

# Oxide in nm up to which a supply, and a shortest channel in nm, are usual for planar CMOS: down to 45 nm the two go
# together, below that the oxide also depends on what leakage a card is for.
_SUPPLIES_V = ((1.5, 0.9), (2.02, 1.0), (2.7, 1.2), (4.5, 1.8), (6.0, 2.5), (9.0, 3.3), (float("inf"), 5.0))
_LEAST_EFFECTIVE = 1 / 3  # of the drawn channel; predictive cards of 22 to 65 nm leave 0.38 to 0.41
_CHANNELS_nm = ((1.5, 22), (1.7, 32), (1.8, 45), (2.02, 65), (2.2, 90), (2.7, 130), (4.5, 180), (6.0, 250), (9.0, 350))


@dataclass(frozen=True)
class Transistor:
    """One transistor of a card: a model that an M line calls, or a subcircuit that an X line calls."""

    name: str
    polarity: Literal["n", "p"]
    kind: Literal["model", "subcircuit"]
    text: str = ""


@dataclass(frozen=True)
class Card:
    """A card and all that it includes.

    transistors: by name; corners: sections of the card that name one, the nominal first; other_sections: the rest.
    """

    path: Path
    library: Library
    transistors: tuple[Transistor, ...]
    corners: tuple[str, ...]
    other_sections: tuple[str, ...]

    def pair(self, nmos: str | None = None, pmos: str | None = None) -> tuple[Transistor, Transistor]:
        """Return the NMOS and the PMOS: those named, else subcircuits before models, and of these the shortest names.

        Raise InputError naming those that there are.
        """
        chosen_n = self._named(nmos, "n") if nmos else self._first("n")
        if pmos:
            return chosen_n, self._named(pmos, "p")
        alike = [one for one in self.transistors if (one.polarity, one.kind) == ("p", chosen_n.kind)]
        if not alike:
            raise InputError(f"{self.path} has no PMOS {chosen_n.kind}: name one by --pmos; it has {self._names()}")
        return chosen_n, max(alike, key=lambda one: difflib.SequenceMatcher(None, one.name, chosen_n.name).ratio())

    def oxide_nm(self, transistor: Transistor) -> float | None:
        """Return the thickness of a model's gate oxide as far as a number says it, nm."""
        number = re.search(rf"\btox[em]?\s*=\s*['{{(\s]*({_NUMBER})", transistor.text, re.IGNORECASE)
        nm = 1e9 * float(number[1]) if number else 0.0
        return nm if 0.5 < nm < 50 else None

    def channel_loss_m(self, transistor: Transistor) -> float:
        """Return by how much a channel is shorter than it is drawn, 2 lint - xl as far as numbers say it, m."""
        numbers = {
            name: re.search(rf"\b{name}\s*=\s*['{{(\s]*({_NUMBER})", transistor.text, re.IGNORECASE)
            for name in ("lint", "xl")
        }
        lint_m, xl_m = (float(number[1]) if number else 0.0 for number in numbers.values())
        return max(2 * lint_m - xl_m, 0.0)

    def shortest_channel_m(self, transistor: Transistor) -> float | None:
        """Return the shortest channel for which a model is given (`lmin` of its bins), m."""
        lengths = [
            float(number)
            for one in self.transistors
            if one.name == transistor.name
            for number in re.findall(rf"\blmin\s*=\s*['{{(\s]*({_NUMBER})", one.text, re.IGNORECASE)
        ]
        return min((length for length in lengths if length > 5e-9), default=None)

    def _first(self, polarity: str) -> Transistor:
        order = sorted(
            (one for one in self.transistors if one.polarity == polarity),
            key=lambda one: (one.kind == "model", len(one.name), one.name),
        )
        if not order:
            raise InputError(
                f"{self.path} has no .model of type nmos and no subcircuit of four pins with nmos, nfet or nch in its "
                f"name; it has {self._names()}: name the devices by --nmos and --pmos"
            )
        return order[0]

    def _named(self, name: str, polarity: Literal["n", "p"]) -> Transistor:
        for one in self.transistors:
            if one.name.lower() == name.lower():
                return Transistor(one.name, polarity, one.kind, one.text)
        raise InputError(f"{self.path} has no transistor {name}; it has {self._names()}")

    def _names(self) -> str:
        return ", ".join(dict.fromkeys(one.name for one in self.transistors)) or "none"


def read_card(path: Path) -> Card:
    """Return what a card says. Raise InputError for a file that cannot be read, is absent, or holds commands."""
    read_text(path)
    library = read_library((path.absolute(),), path.absolute().parent)
    if absent := library.absent_includes():
        raise InputError(f"{absent[0]}, which is not there")
    texts = list(library.texts_by_file.values())
    sections = list(dict.fromkeys(match["name"].strip("'\"") for match in _SECTION.finditer(texts[0])))
    corners = [name for name in sections if _CORNER.fullmatch(name)]
    corners.sort(key=lambda name: name.lower() not in _TYPICAL)
    return Card(
        path,
        library,
        tuple(one for text in texts for one in _transistors(text)),
        tuple(corners),
        tuple(name for name in sections if name not in corners),
    )


def usual_supply_V(oxide_nm: float) -> float:
    """Return the supply that is usual with a gate oxide of this thickness.

    >>> usual_supply_V(2.0), usual_supply_V(4.1)
    (1.0, 1.8)
    """
    return next(supply for thickest, supply in _SUPPLIES_V if oxide_nm <= thickest)


def usual_channel_m(oxide_nm: float, loss_m: float = 0.0) -> float:
    """Return the shortest channel that is usual with a gate oxide of this thickness, m.

    loss_m: by how much a channel is shorter than it is drawn; a third of the drawn one must be left.

    >>> usual_channel_m(2.0), usual_channel_m(1.25, loss_m=27.5e-9)
    (6.5e-08, 4.5e-08)
    """
    for thickest, nm in _CHANNELS_nm:
        if oxide_nm <= thickest and nm - 1e9 * loss_m >= _LEAST_EFFECTIVE * nm:
            return float(f"{nm}e-9")
    return 500e-9


def _transistors(text: str) -> Sequence[Transistor]:
    models = []
    for match in _MODEL.finditer(text):
        name = re.sub(r"\.\d+$", "", match["name"])  # of one bin
        polarity: Literal["n", "p"] = "n" if match["type"].lower() == "nmos" else "p"
        models.append(Transistor(name, polarity, "model", match["rest"]))
    subcircuits = []
    for match in _SUBCKT.finditer(text):
        words = re.sub(r"\n[ \t]*\+", " ", match["rest"]).split()
        pins = next((k for k, word in enumerate(words) if "=" in word or word.lower().startswith("param")), len(words))
        named = _POLARITY.search(match["name"])
        if pins == 4 and named:
            body = text[match.end() : (text.lower().find(".ends", match.end()) + len(text)) % len(text)]
            letter = (named["polarity"] or named["other"]).lower()
            subcircuits.append(Transistor(match["name"], "n" if letter == "n" else "p", "subcircuit", body))
    inner = " ".join(one.text for one in subcircuits)
    return [*subcircuits, *(one for one in models if not subcircuits or one.text not in inner)]
