import os
import subprocess
import sys

import av
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


def code_of(arguments):
    """The exit code, which argparse raises and the command returns."""
    try:
        return cli.main(arguments)
    except SystemExit as stop:
        return stop.code


def test_parts_then_assemble_give_what_prepare_gives(tmp_path, capsys):
    source = tmp_path / "source"
    assert cli.main(["generate", "ucf101", str(source), "--items", "48", "--workers", "0"]) == 0
    capsys.readouterr()

    def prepare(out, *mode):
        command = ["prepare", "ucf101", str(source), str(tmp_path / out), "--short-side", "32"]
        code = code_of([*command, "--workers", "1", *mode])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    code, complaint = prepare("parts", "--assemble")
    assert (code, len(complaint.splitlines())) == (2, 1)
    assert "1 of 1 shards of ucf101 are missing" in complaint
    done = "ucf101: part {} of 2 is done: {} items usable in {}\n"
    assert prepare("parts", "--part", "2/2") == (0, done.format(2, "0 of 0", "0 shards"))
    assert prepare("parts", "--part", "1/2") == (0, done.format(1, "48 of 48", "1 shard"))
    assert not (tmp_path / "parts" / "manifest.jsonl").exists()
    assembled = prepare("parts", "--assemble")
    assert assembled == prepare("whole")
    assert "ucf101: 48 of 48 items usable, read by ucf101" in assembled[1]
    manifests = [(tmp_path / out / "manifest.jsonl").read_bytes() for out in ("parts", "whole")]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        *(
            (["--part", text], f"'{text}' is not K/N with K from 1 to N")
            for text in ("0/3", "4/3", "1/0", "2", "a/b", "1/2/3", "")
        ),
        (["--part", "1/2", "--assemble"], "--assemble: not allowed with argument --part"),
        (["--part", "1/2", "--verify"], "--verify: not allowed with argument --part"),
        (["--assemble", "--verify"], "--verify: not allowed with argument --assemble"),
    ],
)
def test_a_mistaken_mode_is_one_line_and_not_zero(tmp_path, capsys, mode, complaint):
    assert code_of(["prepare", "ucf101", str(tmp_path), str(tmp_path / "out"), *mode]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert len(printed.splitlines()) == 1


def test_interpretations_name_the_settings(capsys):
    assert cli.main(["interpretations"]) == 0
    printed = capsys.readouterr().out
    assert "[1] " in printed
    assert "IICL.similarity = l2 (or l1)" in printed


def test_a_name_that_the_terminal_cannot_show_changes_no_exit_code(tmp_path):
    (tmp_path / "clips" / "c").mkdir(parents=True)
    (tmp_path / "clips" / "c" / "\u65e5\u672c.mp4").write_bytes(b"no media")
    program = "import sys; from iicl.cli import main; sys.exit(main())"
    with av.open(tmp_path / "clips" / "c" / "a.mp4", "w") as file:
        stream = file.add_stream("mpeg4", rate=8, width=32, height=32)
        for _ in range(16):
            file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode())
    command = [sys.executable, "-c", program, "prepare", "x", "clips", "out"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ended = subprocess.run(
        [*command, "--reader", "folder"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert ended.returncode == 0, ended.stderr
    assert b"c/??.mp4: nothing kept" in ended.stdout
