"""Claims, states and atomic writes of run directories."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from sample_records import PROVENANCE, RESULT, SPEC, preparation

from benchmarks.store.files import DamagedFileError, parse_json, write_json
from benchmarks.store.home import Home
from benchmarks.store.lease import DEAD_AFTER_SECONDS, Lease, this_user


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_run_passes_through_its_states(home: Home) -> None:
    assert home.run("r").state() == "new"
    assert home.claim("r", SPEC)
    assert home.run("r").state() == "running"
    home.run("r").begin_attempt(PROVENANCE)
    home.run("r").release()
    assert home.run("r").state() == "resume"
    assert home.claim("r", SPEC)
    home.run("r").begin_attempt(PROVENANCE)
    home.run("r").fail("out of luck")
    home.run("r").fail("killed")  # the first reason is the true one
    home.run("r").release()
    assert home.run("r").state() == "failed"
    assert home.run("r").failure() == {"reason": "out of luck"}
    assert home.claim("r", SPEC)
    home.run("r").begin_attempt(PROVENANCE)
    home.run("r").finish(RESULT)
    home.run("r").release()
    assert home.run("r").state() == "done"
    assert not home.claim("r", SPEC)
    ended = [attempt["ended"] for attempt in home.run("r").attempts()]
    assert ended == ["unknown", "failed: out of luck", "finished"]


def test_an_attempt_that_comes_too_late_leaves_a_finished_run_as_it_is(home: Home) -> None:
    assert home.claim("r", SPEC)
    home.run("r").begin_attempt(PROVENANCE)
    home.run("r").finish(RESULT)
    before = {path.name: path.read_bytes() for path in (home.runs / "r").glob("*.json")}
    with pytest.raises(ValueError, match="r is finished already"):
        home.run("r").begin_attempt(PROVENANCE)
    home.run("r").end_attempt("interrupted")
    assert {path.name: path.read_bytes() for path in (home.runs / "r").glob("*.json")} == before


def claim(home: Home, host: str, pid: int, start: str | None) -> None:
    content = Lease("token", "somebody", host, pid, start).to_json()
    write_json(home.runs / "r" / "claim.json", content)


def test_the_claim_of_a_dead_process_is_taken_over(home: Home) -> None:
    code = (
        "import os, signal; from pathlib import Path; from benchmarks.store.home import Home\n"
        f"assert Home(Path({str(home.root)!r})).claim('r', {SPEC!r})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    dead = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    assert dead.returncode == -signal.SIGKILL
    assert (home.runs / "r" / "claim.json").exists()
    assert home.claim("r", SPEC)


def test_a_reused_process_id_is_no_claim(home: Home) -> None:
    claim(home, socket.gethostname(), os.getpid(), "1")
    assert home.run("r").state() == "new"


def test_a_claim_from_another_host_lives_by_its_heartbeat(home: Home) -> None:
    claim(home, "elsewhere", 7, None)
    assert home.run("r").state() == "new"
    beat = home.root / "launches" / "elsewhere-7"
    beat.parent.mkdir()
    beat.touch()
    assert home.run("r").state() == "running"
    assert not home.claim("r", SPEC)
    for seconds in (-DEAD_AFTER_SECONDS - 10, DEAD_AFTER_SECONDS + 10):  # the clock may jump back
        os.utime(beat, (beat.stat().st_mtime, time.time() + seconds))
        assert home.run("r").state() == "new"
    assert home.claim("r", SPEC)


def test_a_launch_keeps_its_heartbeat_while_it_lives(home: Home) -> None:
    with home.launch():
        assert len(list((home.root / "launches").iterdir())) == 1
    assert list((home.root / "launches").iterdir()) == []


def test_a_full_disk_leaves_no_half_written_file(home: Home) -> None:
    home.runs.mkdir()
    code = (
        "import resource, signal; from pathlib import Path; from benchmarks.store import home\n"
        f"home = home.Home(Path({str(home.root)!r}))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "run = home.run('r')\n"
        f"for write in (lambda: home.claim('r', {SPEC!r}), lambda: run.report(0.5, '')):\n"
        "    try: write()\n"
        "    except OSError as problem: print(problem)\n"
    )
    root = Path(__file__).parents[3]
    call = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert "progress.json" in call.stdout
    assert list((home.runs / "r").iterdir()) == []
    assert home.run("r").state() == "new"


def test_a_claim_is_refused_where_the_folder_holds_another_run(home: Home) -> None:
    assert home.claim("r", SPEC)
    home.run("r").release()
    assert home.run("r").damage(**SPEC["identity"]) is None
    for key in SPEC["identity"]:
        other = {**SPEC["identity"], key: "other"}
        assert home.run("r").damage(**other) == "spec.json is damaged: it is of another run"
    (home.runs / "r").rename(home.runs / "s")
    assert home.run("s").damage() == "spec.json is damaged: it is of run r"
    assert home.run("s").state() == "damaged"
    assert not home.claim("s", SPEC)


def test_moving_aside_deletes_nothing_and_spares_the_living(home: Home) -> None:
    assert home.claim("r", SPEC)
    with pytest.raises(ValueError, match="r is being made"):
        home.run("r").move_aside()
    home.run("r").finish(RESULT)
    home.run("r").release()
    target = home.run("r").move_aside()
    assert json.loads((target / "result.json").read_text())["metrics"] == RESULT["metrics"]
    assert home.run("r").state() == "new"


def test_a_number_that_is_not_finite_is_never_written(home: Home) -> None:
    path = home.root / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in home.root.iterdir()] == ["a.json"]


def test_a_run_of_a_cluster_that_is_gone_can_be_forced(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert home.claim("r", SPEC)
    claim = home.run("r").lease()
    assert claim is not None
    gone = replace(claim, cluster="gone", job="7")
    write_json(home.runs / "r" / "claim.json", gone.to_json())
    assert home.run("r").state() == "running"
    assert not home.claim("r", SPEC)
    assert home.run("r").move_aside().is_dir()
    assert home.run("r").state() == "new"


def test_preparations_live_by_the_heartbeat_of_their_launch(home: Home) -> None:
    with home.launch():
        (beat,) = home.launches.iterdir()
        assert home.preparations().claim("p", preparation("corpus"))
        claim = home.preparations().run("p").lease()
        assert claim is not None
        elsewhere = replace(claim, host="elsewhere")
        beat.with_name(f"elsewhere-{claim.pid}").touch()
        write_json(home.preparations().runs / "p" / "claim.json", elsewhere.to_json())
        assert home.preparations().run("p").state() == "running"
        beat.with_name(f"elsewhere-{claim.pid}").unlink()
        assert home.preparations().run("p").state() == "new"


def test_one_launch_at_a_time_claims(home: Home) -> None:
    with (
        home.claiming(),
        (home.root / ".lock").open("w") as file,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_whoever_claims_asks_the_queue_anew(home: Home, fake_slurm: FakeSlurm) -> None:
    other = Home(home.root)
    assert other.queue.state("fake", this_user(), "1") is None  # asked a moment ago
    assert home.claim("r", SPEC)
    fake_slurm.queue("1|PENDING|Priority")
    home.hand_over({"r": "1"})
    assert not other.claim("r", SPEC)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": NaN}', "NaN is no finite number"),
        (b'{"a": -Infinity}', "-Infinity is no finite number"),
        (b'{"a": 1e999}', "1e999 is no finite number"),
        (b'{"a": 1, "a": 2}', "it repeats 'a'"),
        (b'{"a": "\\ud800"}', "it is not UTF-8: surrogates not allowed"),
        (b'"\xff"', "it is not UTF-8: invalid start byte"),
        (b'\xef\xbb\xbf"a"', "Unexpected UTF-8 BOM"),
        (b"[" * 100_000, "it nests too deeply"),
        (b" \n", "it is empty"),
    ],
)
def test_text_that_is_no_sound_json_has_a_reason(text: bytes, why: str) -> None:
    with pytest.raises(DamagedFileError, match=f"^a.json is damaged: {re.escape(why)}"):
        parse_json(text, "a.json")


def test_a_reason_is_one_short_line() -> None:
    with pytest.raises(DamagedFileError) as raised:
        parse_json(b'{"a\\n\\u001b[31m": 1, "a\\n\\u001b[31m": 2}', "a.json")
    assert str(raised.value) == r"a.json is damaged: it repeats 'a\n\x1b[31m'"
    assert len(DamagedFileError("a.json", "x" * 10_000).why) < 300
