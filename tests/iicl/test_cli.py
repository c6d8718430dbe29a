import os

import pytest

from iicl import cli
from iicl.data.manifest import Manifest


def test_generate_then_prepare_then_nothing_left_to_do(tmp_path, capsys):
    source, out = tmp_path / "source", tmp_path / "prepared"
    sheet = tmp_path / "sheet.png"
    command = ["generate", "ucf101", str(source), "--items", "48", "--workers", "0"]
    assert cli.main([*command, "--contact-sheet", str(sheet)]) == 0
    assert sheet.read_bytes()[:4] == b"\x89PNG"
    prepare = ["prepare", "ucf101", str(source), str(out), "--short-side", "32", "--workers", "1"]
    capsys.readouterr()
    assert cli.main(prepare) == 0
    assert "ucf101: 48 of 48 items usable, read by ucf101" in capsys.readouterr().out
    before = (out / "manifest.jsonl").stat().st_mtime_ns
    assert cli.main(prepare) == 0
    assert (out / "manifest.jsonl").stat().st_mtime_ns == before
    assert Manifest.read(out).preparation["short_side"] == 32


def test_a_flawed_file_is_named_with_its_reason(tmp_path, capsys):
    source = tmp_path / "source"
    assert cli.main(["generate", "ucf101", str(source), "--items", "48", "--workers", "0"]) == 0
    victim = sorted((source / "UCF-101").rglob("*.avi"))[0]
    victim.unlink()
    victim.with_name(os.fsdecode(b"two\nlines \xff.avi")).write_bytes(b"no film")
    capsys.readouterr()
    arguments = [
        "prepare",
        "mine",
        str(source / "UCF-101"),
        str(tmp_path / "out"),
        "--workers",
        "1",
    ]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "47 of 48 items usable" in printed
    assert f"{victim.parent.name}/two\\nlines \\udcff.avi: nothing kept:" in printed


@pytest.mark.parametrize(("source", "message"), [("absent", "no such folder"), ("empty", "empty")])
def test_an_unusable_source_is_one_line_and_not_zero(tmp_path, capsys, source, message):
    (tmp_path / "empty").mkdir()
    code = cli.main(["prepare", "ucf101", str(tmp_path / source), str(tmp_path / "out")])
    printed = capsys.readouterr().err.strip()
    assert code == 2
    assert message in printed
    assert len(printed.splitlines()) == 1


def test_interpretations_name_the_settings(capsys):
    assert cli.main(["interpretations"]) == 0
    printed = capsys.readouterr().out
    assert "[1] " in printed
    assert "IICL.similarity = l2 (or l1)" in printed
