"""Plots and Figure 3: the same bytes for the same numbers, and the right marks."""

import dataclasses
from pathlib import Path

import fake_stages
import pytest
from fake_checkout import Checkout
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from sample_documents import over_an_axis, sample

from benchmarks.render import document, document_file, html_page, neighbours, plot

PNG = b"\x89PNG"


@pytest.mark.parametrize("shown", [sample(), over_an_axis()], ids=["blocks", "axis"])
def test_a_plot_depends_on_the_document_alone(shown: document.Document) -> None:
    picture = plot.draw(shown)
    assert picture.startswith(PNG)
    assert plot.draw(document_file.from_json(document_file.to_json(shown))) == picture
    first = shown.rows[0]
    moved = dataclasses.replace(first.cells[0], mean=60.0)
    rows = (dataclasses.replace(first, cells=(moved, *first.cells[1:])), *shown.rows[1:])
    assert plot.draw(dataclasses.replace(shown, rows=rows)) != picture


@pytest.mark.parametrize("shown", [sample(), over_an_axis()], ids=["blocks", "axis"])
def test_a_table_without_any_value_has_a_plot(shown: document.Document) -> None:
    empty = document.Cell("incomplete")
    rows = tuple(
        dataclasses.replace(row, cells=(empty,) * 3) for row in shown.rows if row.kind == "paper"
    )
    assert plot.draw(dataclasses.replace(shown, rows=rows)).startswith(PNG)


def test_rows_of_one_name_are_told_apart() -> None:
    row = sample().rows[0]
    alike = [dataclasses.replace(row, about=(corpus,)) for corpus in ("AudioSet", "IG65M")]
    assert [plot.name(line, alike) for line in alike] == [
        "both, AudioSet (hmdb51)",
        "both, IG65M (hmdb51)",
    ]
    assert plot.name(row, [row]) == "both (hmdb51)"


def test_a_training_curve_is_an_svg_of_fixed_bytes() -> None:
    (curve,) = sample().curves
    picture = plot.training(curve)
    assert b"<svg" in picture
    assert plot.training(curve) == picture


def test_neighbours_are_marked_as_hits_and_misses(tmp_path) -> None:
    (tmp_path / "data.json").write_text("{}")
    found = fake_stages.neighbours(tmp_path)
    drawn = neighbours.compose(found)
    labels = [axes.get_xlabel() for axes in drawn.findobj(Axes) if axes.get_xlabel()]
    # Item 2 has the anchor's class, item 1 does not: video first, then sound, nearest first.
    hit, miss = "✓ 0.50\nHop, beep\n", "✗ 0.50\nSpin, a sound\nwith a very…"
    assert labels == [hit, miss, miss, hit, hit, miss, miss, hit]
    frames = {
        axes.get_xlabel()[0]: to_hex(axes.spines["left"].get_edgecolor()).upper()
        for axes in drawn.findobj(Axes)
        if axes.get_xlabel()
    }
    assert frames == {"✓": neighbours.HIT, "✗": neighbours.MISS}
    picture = neighbours.draw(found)
    assert picture.startswith(PNG)
    assert neighbours.draw(found) == picture


def test_a_table_s_figure_is_drawn_and_named(checkout: Checkout) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    text = table.read_text().replace(
        "protocols:\n", "protocols:\n  near: {stage: neighbours, corpus: ucf101, fold: 1}\n"
    )
    text = text.replace(
        "columns:\n", "columns:\n  v2v: {label: precision, protocol: near, metric: v2v_precision}\n"
    )
    table.write_text(text + "figure: {row: a, protocol: near}\n")
    assert checkout.run("--collect") == 3
    assert not (checkout.folder / "out" / "table2_neighbours.png").exists()
    assert checkout.run("--yes") == 0
    assert (checkout.folder / "out" / "table2_neighbours.png").read_bytes().startswith(PNG)
    assert "(table2_neighbours.png)" in (checkout.folder / "out" / "table2.md").read_text()


@pytest.mark.parametrize("label", ["cost: $5 and $x_{", "$\\frac{", "a_b^c \\"])
def test_no_label_is_read_as_mathematics(label: str, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("{}")
    items = fake_stages.neighbours(tmp_path)
    items.ids = [label] * 3
    items.labels = [[label]] * 3
    assert neighbours.draw(items).startswith(PNG)
    for shown in (sample(), over_an_axis()):
        rows = tuple(dataclasses.replace(row, label=label) for row in shown.rows)
        columns = tuple(dataclasses.replace(column, label=label) for column in shown.columns)
        assert plot.draw(dataclasses.replace(shown, rows=rows, columns=columns)).startswith(PNG)


@pytest.mark.parametrize("error", [RuntimeError("no font\nat all"), OSError(28, "No space left")])
def test_a_picture_that_cannot_be_drawn_costs_the_picture_alone(
    error: Exception,
    checkout: Checkout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert checkout.run("--yes") == 0
    out = checkout.folder / "out"
    before = (out / "table2.md").read_text()
    assert (out / "table2.png").exists()
    capsys.readouterr()

    def fail(shown: document.Document) -> bytes:
        raise error

    monkeypatch.setattr("benchmarks.render.plot.draw", fail)
    assert checkout.run("--collect") == 0
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("no picture")]
    assert line == f"no picture table2.png: {type(error).__name__}: {' '.join(str(error).split())}"
    assert not (out / "table2.png").exists()  # that of other numbers
    after = (out / "table2.md").read_text()
    assert after == before.replace("![Every column of Table II](table2.png)\n\n", "")
    shown = document_file.from_json((out / "table2.json").read_text())
    assert shown.plot is None
    assert "<img" not in html_page.page([shown], out, [])


def test_a_training_curve_that_cannot_be_drawn_costs_the_curve_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = dataclasses.replace(sample(), data=(), plot=None)
    assert html_page.page([shown], tmp_path, []).count("<img") == 1
    monkeypatch.setattr("benchmarks.render.plot.training", lambda curve: 1 / 0)
    assert "<img" not in html_page.page([shown], tmp_path, [])
    assert "no picture of a training curve: ZeroDivisionError" in capsys.readouterr().err


def test_a_full_disk_leaves_the_published_pictures(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--yes") == 0
    out = checkout.folder / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("benchmarks.render.write.write_bytes", fail)
    monkeypatch.setattr("benchmarks.render.write.write_text", fail)
    assert checkout.run("--collect") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
