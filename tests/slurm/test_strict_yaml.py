"""Files that a person writes: values as they look, and every mistake with file and line."""

from pathlib import Path

import pytest

from slurm.strict_yaml import MAX_DEPTH, SpecError, load


def test_yaml_is_read_as_it_looks(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "rate: 1e-3\nswitch: on\nanswer: yes\nnorway: no\ntime: 1:30\nday: 2020-01-01\n"
        "octal: 010\nbig: 1_000\nreal: true\nnothing: null\nint: -7\nfloat: .5\n"
    )
    assert load(path).data == {
        "rate": 0.001,
        "switch": "on",
        "answer": "yes",
        "norway": "no",
        "time": "1:30",
        "day": "2020-01-01",
        "octal": "010",
        "big": "1_000",
        "real": True,
        "nothing": None,
        "int": -7,
        "float": 0.5,
    }


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", 1, "a mapping is expected"),
        (b"# nothing\n", 1, "a mapping is expected"),
        (b"- a\n- b\n", 1, "a mapping is expected"),
        (b"words\n", 1, "a mapping is expected"),
        (b"a: 1\n\tb: 2\n", 2, "found a tab character"),
        (b"a:\n\tb: 2\n", 2, "found character that cannot start any token"),
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", 4, "duplicate key 'c', first on line 3"),
        (b"a: 1\n" + "b: gr\u00fcn\n".encode("latin-1"), 2, "not readable as UTF-8 text"),
        ("a: 1\n".encode("utf-16"), 1, "not readable as UTF-8 text"),
        (b"a: 1\nb: \0\n", 2, "control character '\\x00' is not allowed"),
        (b"a: 1\nb: &x 2\n", 2, "anchors and aliases are not allowed"),
        (b"a: 1\nb: *x\n", 2, "anchors and aliases are not allowed"),
        (b"a: 1\nb: !!int 010\n", 2, "tags such as tag:yaml.org,2002:int are not allowed"),
        (b"a: 1\n!b c: d\n", 2, "tags such as !b are not allowed"),
        (b"a: 1\nb: 1e999\n", 2, "1e999 is beyond the largest number"),
        (b"a: 1\nb: " + b"9" * 5000 + b"\n", 2, "is no number"),
        (b"a: 1\n1.5: c\n", 2, "key 1.5 must be text or a whole number"),
        (b"a: 1\n[b]: c\n", 2, "a key must be text or a whole number"),
        (b"a: 1\nb: " + b"[" * 40 + b"]" * 40 + b"\n", 2, f"more than {MAX_DEPTH} mappings"),
        (b"a: 1\n---\nb: 1\n", 2, "another document"),
        (b"a: 1\nb: [1, 2\n", 3, "flow sequence"),
        (b"a: 1\nb: 'c\n", 3, "quoted scalar"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_file_and_line(
    content: bytes, line: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load(path)
    where, _, said = str(caught.value).partition(": ")
    assert where == f"{path}:{line}"
    assert message in said
    assert "\n" not in said
    assert len(said) < 300


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(path).data == {"a": 1}
