"""Where the output of a preparation may be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from iicl import cli
from iicl.data import datasets
from iicl.data.prepare import assemble
from tests.iicl.data.writing.small_corpus import (
    SMALL,
    run,
)


@pytest.mark.parametrize("reader", datasets.names())
@pytest.mark.parametrize(
    "place",
    [
        lambda root: root / "source",
        lambda root: root / "source" / "a" / "out",
        lambda root: root / "source" / "not yet" / "there",
        lambda root: root / "link" / "out",
        lambda root: root / "source" / "a" / ".." / "out",
    ],
)
def test_an_output_inside_the_source_is_refused(
    tmp_path: Path, reader: str, place: Callable[[Path], Path]
) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "link").symlink_to("source")
    out = place(tmp_path)
    with pytest.raises(ValueError, match=r"the output .* lies inside the source .*; choose"):
        run(tmp_path / "source", out, reader=reader)
    with pytest.raises(ValueError, match=r"the output .* lies inside the source"):
        assemble(reader, tmp_path / "source", out, corpus="small", preparation=SMALL)
    assert sorted(tmp_path.rglob("*")) == sorted(
        [tmp_path / "link", tmp_path / "source", tmp_path / "source" / "a"]
    )


def test_an_output_in_a_folder_that_the_source_links_to_is_refused(
    tmp_path: Path, write_clip: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "elsewhere" / "a" / "deep" / "x.mkv", seconds=0.4)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").symlink_to(tmp_path / "elsewhere" / "a")
    monkeypatch.chdir(tmp_path / "source")
    for source in (tmp_path / "source", Path()):
        with pytest.raises(ValueError, match=r"lies inside the source .*/source/a; choose"):
            run(source, tmp_path / "elsewhere" / "a" / "out")
    assert not (tmp_path / "elsewhere" / "a" / "out").exists()
    run(tmp_path / "source", tmp_path / "elsewhere" / "out")


def test_a_source_among_the_shards_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "out" / "0123456789abcdef" / "clips"
    source.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"the source .* lies in a folder of shards"):
        run(source, tmp_path / "out")


def test_the_command_refuses_in_one_line(
    source: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    assert cli.main(["prepare", "small", ".", "prepared"]) == 2
    line = "iicl prepare: the output prepared lies inside the source .; choose another folder\n"
    assert capsys.readouterr().err == line
