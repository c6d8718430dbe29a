"""What readers make of hostile lists and of files that are not part of the corpus."""

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.config import Preparation
from iicl.data import datasets, lists
from iicl.data.prepare import prepare
from tests.iicl.data.datasets import miniatures

LIST_FILES = [(corpus, name) for corpus, files in miniatures.LISTS.items() for name in files]
CSV_FILES = [(corpus, name) for corpus, name in LIST_FILES if name.endswith(".csv")]

READ: dict[str, Callable[[str], bytes]] = {
    "UTF-8 with a byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16 with a byte order mark": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-32 with a byte order mark": lambda text: text.encode("utf-32"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "no end of the last line": lambda text: text.rstrip("\n").encode(),
    "blank lines": lambda text: text.replace("\n", "\n\n \n").encode(),
}
REFUSED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "latin-1": (
        lambda t: t.encode() + "ä\n".encode("latin-1"),
        ":{end}: .* not utf-8.*must be UTF-8",
    ),
    "UTF-16 without a mark": (lambda t: t.encode("utf-16-le"), r":1: holds '\\x00'.*must be UTF-8"),
    "half a UTF-16 character": (lambda t: t.encode("utf-16") + b"a", ":{end}: .* not utf-16"),
    "a NUL byte": (lambda t: t.encode() + b"a\0b\n", r":{end}: holds '\\x00'"),
    "a mark inside": (lambda t: t.encode() + t.encode("utf-8-sig"), r":{end}: holds '\\ufeff'"),
    "the end mark of DOS": (lambda t: t.encode() + b"\x1a", r":{end}: holds '\\x1a'"),
    "a line of 200 kB": (lambda t: t.encode() + b"x" * 200_000, ":{end}: longer than 65,536"),
    "a line of 60 kB": (lambda t: t.encode() + b"x" * 60_000 + b"\n", ":{end}: "),
    "no list": (lambda t: t.encode() + b"<html>404 not found</html>\n", ":{end}: "),
    "nothing": (lambda t: b"", " is empty"),
    "blank lines alone": (lambda t: b"\r\n \r\n", " is empty"),
}
REFUSED_CSV: dict[str, tuple[Callable[[str], bytes], str]] = {
    "a field of 140 kB": (lambda t: t.encode() + b'"' + b"a" * 140_000 + b'"\n', ":{end}: longer"),
    "an open quotation mark": (lambda t: t.encode() + b'"a,b,c\nd,e,f\n', ":{end}: .* no csv row"),
    "one field too few": (lambda t: t.rpartition(",")[0].encode(), ":{last}: "),
    "one field too many": (lambda t: t.rstrip().encode() + b",x", ":{last}: "),
    "an error of Excel": (lambda t: t.encode() + b"#NAME?,0,1,x,x,x\n", ":{end}: a spreadsheet"),
    "an error of Excel in French": (lambda t: t.encode() + b"#NOM?,0,1\n", ":{end}: a spreadsheet"),
    "semicolons": (lambda t: t.replace(",", ";").encode(), "columns|fields and not 4"),
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize(("corpus", "name"), LIST_FILES)
def test_every_reader_reads_lists_as_programs_save_them(
    tmp_path: Path, corpus: str, name: str, kind: str
) -> None:
    root = miniatures.write(tmp_path, corpus)
    clean = datasets.reader(corpus).discover(root)
    assert all(item.path for item in clean.items)
    (root / name).write_bytes(READ[kind](miniatures.LISTS[corpus][name]))
    assert datasets.reader(corpus).discover(root) == clean


@pytest.mark.parametrize(
    ("corpus", "name", "kind"),
    [
        *((corpus, name, kind) for corpus, name in LIST_FILES for kind in REFUSED),
        *((corpus, name, kind) for corpus, name in CSV_FILES for kind in REFUSED_CSV),
    ],
)
def test_every_reader_refuses_what_is_no_list_in_one_short_line(
    tmp_path: Path, corpus: str, name: str, kind: str
) -> None:
    root = miniatures.write(tmp_path, corpus)
    text = miniatures.LISTS[corpus][name]
    spoil, message = (REFUSED | REFUSED_CSV)[kind]
    (root / name).write_bytes(spoil(text))
    num_lines = text.count("\n")
    with pytest.raises(
        ValueError, match=message.format(end=num_lines + 1, last=num_lines)
    ) as error:
        datasets.reader(corpus).discover(root)
    words = str(error.value)
    assert str(root / name) in words
    assert "\n" not in words
    assert len(words) < len(str(root)) + 400


@pytest.mark.parametrize(("corpus", "name"), LIST_FILES)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_what_is_no_file_is_no_list(
    tmp_path: Path, corpus: str, name: str, make: Callable[[Path], None]
) -> None:
    root = miniatures.write(tmp_path, corpus)
    (root / name).unlink()
    make(root / name)
    with pytest.raises(ValueError, match=f"there is no file {root / name}"):
        datasets.reader(corpus).discover(root)


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"first\n")
    os.truncate(path, 1 << 30)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"list\.txt:2: longer than 65,536 characters"):
        list(lists.lines(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("corpus", datasets.names())
def test_every_reader_leaves_out_hidden_files(tmp_path: Path, corpus: str) -> None:
    root = miniatures.write(tmp_path / "root", corpus)
    clean = datasets.reader(corpus).discover(root)
    copies = tmp_path / "copies"
    shutil.copytree(root, copies)
    for path in copies.rglob("*"):
        if path.is_file():
            name = path.relative_to(copies)
            miniatures.put(root / name.with_name(f"._{path.name}"), b"\0\5\26\7\0\2\0\0Mac OS X")
            miniatures.put(root / "__MACOSX" / name.with_name(f"._{path.name}"), b"\0\5\26\7")
            miniatures.put(root / name.parent / "@eaDir" / path.name / "SYNOVIDEO.jpg")
            miniatures.put(root / name.parent / ".DS_Store", b"\0\0\0\1Bud1")
    assert datasets.reader(corpus).discover(root) == clean


@pytest.mark.parametrize("corpus", [corpus for corpus, files in miniatures.LISTS.items() if files])
def test_every_reader_says_where_a_missing_file_was_looked_for(tmp_path: Path, corpus: str) -> None:
    root = miniatures.write(tmp_path / "root", corpus)
    for name in miniatures.MEDIA[corpus]:
        (root / name).unlink()
    for item in datasets.reader(corpus).discover(root).items:
        assert item.path is None
        names, _, folders = item.sought.rpartition(" in ")
        stems = [Path(name).stem for name in miniatures.MEDIA[corpus]]
        assert any(stem in item.sought for stem in stems)
        assert names
        assert folders
    with pytest.raises(ValueError, match=r"nothing usable .*: missing: no .* in "):
        prepare(
            corpus,
            root,
            tmp_path / "out",
            corpus=corpus,
            preparation=Preparation(short_side=32),
            num_workers=1,
        )


@pytest.mark.parametrize(
    "row",
    [
        "a.b, 0.000, 10.000, /m/1",
        "a, nan, 10.000, /m/1",
        "a, 0.000, inf, /m/1",
        "a, -1.000, 10.000, /m/1",
        "a, 10.000, 10.000, /m/1",
        "a, 0.000, 1e9, /m/1",
    ],
)
def test_audioset_refuses_times_and_ids_that_cannot_be(tmp_path: Path, row: str) -> None:
    root = miniatures.write(tmp_path, "audioset")
    (root / "eval_segments.csv").write_text(row)
    with pytest.raises(ValueError, match=r"eval_segments\.csv:1: .* is not 'YTID, start, end"):
        datasets.reader("audioset").discover(root)


def test_audioset_labels_are_a_set(tmp_path: Path) -> None:
    names = "index,mid,display_name\n0,/m/1,Speech\n1,/m/2,Dog\n2,/m/3,Dog\n"
    (tmp_path / "class_labels_indices.csv").write_text(names)
    (tmp_path / "eval_segments.csv").write_text('aaaaaaaaaaa, 0, 10, "/m/2,/m/1,/m/3,/m/1"\n')
    (item,) = datasets.reader("audioset").discover(tmp_path).items
    assert item.labels == ("Dog", "Speech")
    for row in ("3,/m/1,Music", "3,,Music", "3,/m/4,"):
        (tmp_path / "class_labels_indices.csv").write_text(f"{names}{row}\n")
        with pytest.raises(ValueError, match=r"indices\.csv:5: .* its mid has two names"):
            datasets.reader("audioset").discover(tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("label,label\na,b\n")
    with pytest.raises(ValueError, match="two columns label"):
        list(lists.table(tmp_path / "x.csv", ["label"]))
