"""Model files from outside: what is read, what is translated, and what is refused with file and line."""

import gzip
from pathlib import Path

import pytest

from neurocircuit.errors import InputError
from neurocircuit.process.describe import check_process
from neurocircuit.process.ring import check_ring
from neurocircuit.spice import process as processes
from neurocircuit.spice.library import read_library

CARD = "* a card\n.model nch nmos level=14 vth0=0.4\n"
# A hand-written BSIM3 card with what MOSIS's cards have beside the model: version 3.1 knows neither xl, xw nor acm.
BSIM3 = """.model {name} {kind} (level={level} version=3.1 tnom=27 tox=2e-9 xj=2.5e-8 nch=2e18 vth0={vth0}
+ k1=0.45 k2=0.01 dvt0=1.2 dvt1=0.6 u0={u0} vsat=1e5 rdsw=170
+ cgso=1.3e-10 cgdo=1.3e-10 cj=1e-3 mj=0.45 pb=0.75 cjsw=1e-10 mjsw=0.3
+ xl={xl} xw = 0 acm=0)
"""


def library(tmp_path, data, name="card.lib", **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path, read_library((path,), tmp_path, **options)


def bsim3(level, xl="0"):
    return "".join(
        BSIM3.format(name=name, kind=kind, level=level, vth0=vth0, u0=u0, xl=xl)
        for name, kind, vth0, u0 in (("nch", "nmos", 0.38, 340), ("pch", "pmos", -0.36, 110))
    )


def frequency_Hz(toml):
    installed = processes.load(toml)
    return check_ring(installed, installed.condition()).f_Hz


def cards(toml):
    return Path(toml).with_name("generic65.cards")


def test_a_plain_card_is_left_where_it_is(tmp_path):
    for data in (CARD, CARD.replace("\n", "\r\n"), "* µm\n" + CARD, "*########\n*##* note\n*#\n" + CARD):
        path, read = library(tmp_path, data)
        assert not read.texts
        assert read.name_in_deck(path) is None


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(CARD.encode()),
        b"\xef\xbb\xbf" + CARD.encode(),
        CARD.encode("utf-16"),
        CARD.replace("\n", "\r").encode(),
    ],
    ids=["gzip", "byte-order mark", "utf-16", "old line ends"],
)
def test_a_card_that_ngspice_cannot_read_is_translated(tmp_path, data):
    path, read = library(tmp_path, data)
    assert read.texts == {read.name_in_deck(path): CARD}


def test_a_latin_1_card_keeps_its_letters(tmp_path):
    path, read = library(tmp_path, b"* \xb5m\n" + CARD.encode())
    assert read.texts[read.name_in_deck(path)] == "* µm\n" + CARD


def test_all_files_of_a_translated_library_name_each_other(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/inner.lib").write_bytes(gzip.compress(CARD.encode()))
    path, read = library(tmp_path, ".lib tt\n.include 'sub/inner.lib'\n.include absent.lib\n.endl tt\n")
    inner = read.name_in_deck(tmp_path / "sub/inner.lib")
    assert read.texts[inner] == CARD
    assert f".include '{inner}'" in read.texts[read.name_in_deck(path)]
    assert f".include '{tmp_path / 'absent.lib'}'" in read.texts[read.name_in_deck(path)]


def test_level_53_is_49_and_parameters_of_nothing_are_left_out(tmp_path):
    path, read = library(tmp_path, bsim3(53))
    text = read.texts[read.name_in_deck(path)]
    assert text.count("level=49") == 2
    assert "xl" not in text
    assert "xw" not in text
    assert "acm" not in text
    shifted, read = library(tmp_path, bsim3(53, "-2e-8"))
    assert read.texts[read.name_in_deck(shifted)].count("xl=-2e-8") == 2
    assert not library(tmp_path, ".model nch nmos level=54 vth0=0.4 xl=0 xw=0\n")[1].texts  # ngspice's BSIM4 knows them


def test_a_ring_of_bsim3_cards_is_the_same_at_level_53_and_49(copy):
    toml = copy()
    frequencies_Hz = []
    for level in (49, 53):
        cards(toml).write_text(bsim3(level))
        frequencies_Hz.append(frequency_Hz(toml))
    assert frequencies_Hz[0] == frequencies_Hz[1]
    assert 1e8 < frequencies_Hz[0] < 3e9


def test_a_ring_of_translated_cards_has_the_frequency_of_plain_ones(copy):
    toml = copy()
    plain_Hz = frequency_Hz(toml)
    text = cards(toml).read_text().replace("level=14", "level=54")
    cards(toml).write_bytes(gzip.compress(b"\xef\xbb\xbf* \xc2\xb5\r\n" + text.replace("\n", "\r\n").encode()))
    assert frequency_Hz(toml) == plain_Hz


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (".control\nshell touch {file}\n.endc", "'.control'"),
        (" .CONTROL\nshell touch {file}\n.endc", "'.CONTROL'"),
        ("*# shell touch {file}", "shell touch"),
        ("\f*#shell touch {file}", "shell touch"),
        ("aprocess [a] [b] null null program", "aprocess"),
    ],
)
def test_a_card_that_would_run_something_is_refused_and_nothing_is_run(copy, tmp_path, line, what):
    toml = copy()
    path, made = cards(toml), tmp_path / "made"
    path.write_text(line.format(file=made) + "\n" + path.read_text())
    with pytest.raises(InputError, match=f"generic65.cards, line 1: .*{what}.* would run commands"):
        check_process(toml)
    assert not made.exists()


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        (
            ('file = "generic65.lib", section = "ss"', 'file = "../../../etc/passwd"'),
            "corner ss: .*passwd leads out of",
        ),
        (
            ('file = "generic65.lib", section = "ss"', 'file = "/etc/none.lib"'),
            "corner ss: no model file /etc/none.lib",
        ),
    ],
)
def test_a_path_stays_in_the_folder_or_is_absolute(copy, replacement, message):
    with pytest.raises(InputError, match=message):
        processes.load(copy(replacement))


def test_an_absolute_path_serves(copy, tmp_path):
    toml = copy(('file = "generic65.lib"', f'file = "{tmp_path}/generic65.lib"'))
    assert frequency_Hz(toml) == pytest.approx(0.75e9, rel=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".include ../../outside.lib\n", r"card.lib, line 2: ../../outside.lib leads out of"),
        (".include '$PDK_DIR/x.lib'\n", r"card.lib, line 2: \$PDK_DIR/x.lib holds a variable"),
        (".include evil.inc;comment\n", r"card.lib, line 2: a path must hold .* got 'evil.inc;comment'"),
        ('.inc\tevil"x\n', "card.lib, line 2: a path must hold"),
        (".include ~/evil.inc\n", "card.lib, line 2: a path must hold"),
        (".include models/card.lib\n", "card.lib, line 2 includes models/card.lib, which is not there"),
        (".prot\nXYZ\n", r"card.lib, line 2: .prot begins an encrypted part"),
        ("\0\n", "card.lib is no text file"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        library(tmp_path, "* card\n" + text)
    assert "\n" not in str(caught.value)


def test_a_damaged_gzip_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"card\.lib is a damaged gzip file"):
        library(tmp_path, gzip.compress(CARD.encode())[:-9])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "version=4.8",
            "version=4.8 foo=3 bar=1",
            r"know foo, bar of model nch \(.*generic65.cards, line 2\);.*ignored_",
        ),
        ("level=14", "level=72", r"model nch \(.*cards, line 2\) is of a level that this ngspice does not have"),
        ("nmos level=14 version=4.8", "psp103_va", r"line 2\) is of type psp103_va, which .* Verilog-A"),
        (
            ".model nch",
            ".include not_there.lib\n.model nch",
            r"cards, line 2 includes not_there.lib, which is not there",
        ),
    ],
)
def test_what_ngspice_does_not_know_is_named_with_model_and_file(copy, old, new, message):
    toml = copy()
    cards(toml).write_text(cards(toml).read_text().replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        check_process(toml)
    assert "corner tt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_process_file_may_say_that_a_parameter_is_left_out(copy):
    toml = copy(("delay_stages", 'ignored_parameters = ["FOO", "+odd"]\ndelay_stages'))
    cards(toml).write_text(cards(toml).read_text().replace("version=4.8", "foo = {1+2} version=4.8"))
    assert frequency_Hz(toml) == frequency_Hz("generic65")


def test_random_models_are_refused_and_a_parameter_switches_them_off(copy):
    toml = copy()
    text = cards(toml).read_text().replace("vth0={0.38+dvth_n}", "vth0={0.38+dvth_n+mc*agauss(0,0.01,1)}")
    cards(toml).write_text(".param mc=1\n" + text)
    with pytest.raises(
        InputError, match=r"corner tt: the models draw random numbers \(.*cards, line \d+\).*\[parameters\]"
    ):
        check_process(toml)
    Path(toml).write_text(Path(toml).read_text() + "\n[parameters]\nmc = 0\n")
    assert check_process(toml).f_Hz == frequency_Hz("generic65")


PTM = """* a card as the Predictive Technology Model's pages print it: blank lines inside, models called nmos and pmos
.model  {name}  {name}  level = 54

+version = 4.8            binunit = 1               mobmod  = 0

"""


def test_a_predictive_card_with_its_blank_lines_is_a_process_of_the_user(copy):
    """The same parameters as generic65's, printed in PTM's manner: the same ring to the last bit."""
    text = cards(copy()).read_text()
    for model, name in (("nch nmos", "nmos"), ("pch pmos", "pmos")):
        plain = f".model {model} level=14 version=4.8 binunit=1 mobmod=0 "
        assert plain in text
        text = text.replace(plain, PTM.format(name=name) + "+ ")
    toml = copy(('nmos = "nch"', 'nmos = "nmos"'), ('pmos = "pch"', 'pmos = "pmos"'))
    cards(toml).write_text(text)
    assert frequency_Hz(toml) == frequency_Hz("generic65")


def test_compiled_models_are_code_and_come_from_a_folder_that_the_user_names(copy, tmp_path, monkeypatch):
    toml = copy(("delay_stages", 'osdi = ["psp103_nqs.osdi"]\ndelay_stages'))
    (tmp_path / "psp103_nqs.osdi").write_bytes(b"beside the process file: not taken")
    monkeypatch.delenv("NEUROCIRCUIT_OSDI", raising=False)
    with pytest.raises(
        processes.ProcessMissing, match=r"psp103_nqs.osdi \(NEUROCIRCUIT_OSDI is not set\); set .* openvaf"
    ):
        processes.load(toml)
    monkeypatch.setenv("NEUROCIRCUIT_OSDI", str(tmp_path / "runs"))
    with pytest.raises(processes.ProcessMissing, match=r"psp103_nqs.osdi \(not in .*runs\)"):
        processes.load(toml)
    monkeypatch.setenv("NEUROCIRCUIT_OSDI", str(tmp_path))
    installed = processes.load(toml)
    head = processes.prelude(installed, installed.condition())
    assert head.startswith(f".control\npre_osdi '{tmp_path}/psp103_nqs.osdi'\n.endc\n")
    refused = copy(("delay_stages", 'osdi = ["../psp103.osdi"]\ndelay_stages'))
    with pytest.raises(InputError, match=r"Process\.osdi"):
        processes.load(refused)


@pytest.mark.parametrize("card", ["", ".param mc={0*agauss(0,1,1)}\n"], ids=["plain", "with a draw that is looked at"])
def test_an_ngspice_without_osdi_is_named_with_what_to_do(copy, tmp_path, monkeypatch, fake_ngspice, card):
    """What Debian's ngspice 39.3 prints; the complaint about the model that is missing then comes second."""
    toml = copy(("delay_stages", 'osdi = ["psp103_nqs.osdi"]\ndelay_stages'))
    cards(toml).write_text(card + cards(toml).read_text())
    (tmp_path / "psp103_nqs.osdi").touch()
    monkeypatch.setenv("NEUROCIRCUIT_OSDI", str(tmp_path))
    fake_ngspice(
        """
        print("Warning: Model issue on line 1 :\\n  .model nch psp103_va ...\\nUnknown model type psp103_va - ignored")
        print("osdi: no such command available in ngspice")
        sys.exit(1)
        """
    )
    with pytest.raises(
        InputError, match=r"this ngspice \(39\) cannot load .*psp103_nqs.osdi.*enable-osdi in NEUROCIRCUIT_N"
    ):
        check_process(toml)


def test_the_hash_of_a_corner_s_models_covers_what_they_include(copy, tmp_path):
    """An edited card that a library includes makes what was measured with the old one stale."""
    toml = copy()
    before = processes.load(toml).models_sha256("tt")
    assert processes.load(toml).models_sha256("tt") == before
    cards(toml).write_text(cards(toml).read_text().replace("vth0={0.38", "vth0={0.39"))
    assert processes.load(toml).models_sha256("tt") != before
    (tmp_path / "beside.cards").write_text(CARD)  # a file that nothing includes
    changed = processes.load(toml).models_sha256("tt")
    (tmp_path / "beside.cards").unlink()
    assert processes.load(toml).models_sha256("tt") == changed


def test_a_path_that_goes_back_through_a_link_is_refused(tmp_path):
    """`link/..` is the folder above the link's target for ngspice, and another one by its letters."""
    process, elsewhere = tmp_path / "process", tmp_path / "elsewhere/sub"
    process.mkdir()
    elsewhere.mkdir(parents=True)
    for folder in (process, elsewhere.parent):
        (folder / "inner.lib").write_text(CARD)
    (process / "link").symlink_to(elsewhere)
    with pytest.raises(InputError, match=r"card.lib, line 1: link/../inner.lib goes back through a link"):
        library(process, ".include link/../inner.lib\n")
