"""The report page: complete, self-contained, well-formed, and readable on a phone."""

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from damage import ODD, TEXTS, put
from sample_documents import over_an_axis, sample

from benchmarks import report
from benchmarks.render import document_file, plot
from benchmarks.render.document import Document

VOID = {"meta", "link", "img", "br"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = """<!DOCTYPE html><title>-</title>
<script>addEventListener("message", e => { document.title = e.data })</script>
<iframe src="page.html" style="border: 0; width: 390px; height: 800px"></iframe>"""
WIDTHS = """<script>
const wide = [...document.querySelectorAll("section *")].filter(element =>
  !element.closest(".scroll") && element.getBoundingClientRect().right > innerWidth + 1);
parent.postMessage(
  [innerWidth, document.documentElement.scrollWidth, wide.length].join(" "), "*")
</script></body>"""


class Page(HTMLParser):
    """Collects elements and text; every opened element must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th") else ""

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture
def documents() -> list[Document]:
    axis = dataclasses.replace(
        over_an_axis(), name="table1", heading="Table I", plot="table1.png", claims=()
    )
    figure = dataclasses.replace(
        sample(), name="figure3", heading="Figure 3", figure="table1.png", compares=True
    )
    return [figure, sample(), axis]


@pytest.fixture
def results(tmp_path: Path, documents: list[Document]) -> Path:
    for shown in documents:
        (tmp_path / f"{shown.name}.json").write_text(document_file.to_json(shown))
    picture = plot.draw(sample())
    for name in ("table1.png", "table2.png", "ucf101.png"):
        (tmp_path / name).write_bytes(picture)
    return tmp_path


@pytest.fixture
def page(results: Path) -> str:
    assert report.main(["--results", str(results), "--out", str(results / "page.html")]) == 0
    return (results / "page.html").read_text()


def test_the_page_loads_nothing(page: str) -> None:
    elements = Page(page).elements
    sources = [a[k] or "" for tag, a in elements for k in ("src", "href") if k in a and tag != "a"]
    assert len(sources) > 5
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"url\(|@import|https?://", page)
    assert "script" not in {tag for tag, _ in elements}
    targets = {a["href"].removeprefix("#") for tag, a in elements if tag == "a" and a["href"]}
    assert targets == {"status", "methods", "data", "table1", "table2", "figure3"}
    assert targets <= {a.get("id") for _, a in elements}


def test_the_page_holds_everything_of_every_document(page: str, documents: list[Document]) -> None:
    parsed = Page(page)
    text = " ".join(parsed.text.split())
    for shown in documents:
        assert f"{shown.heading}: {shown.title}" in text
        for claim in shown.claims:
            assert text.count(claim.says) >= 2  # in the status and with its table
            assert claim.why in text
        for row in shown.rows:
            assert row.label in text
        for line in (*shown.changes, *shown.paper_check, *shown.provenance, shown.compared):
            assert line in text
        for run in shown.damaged:
            assert f"{run.run}: {run.says}." in text
    num_curves = sum(len(shown.curves) for shown in documents)
    assert [a["alt"] for tag, a in parsed.elements if tag == "img"].count(
        "Loss over steps"
    ) == num_curves
    order = [a["id"] for tag, a in parsed.elements if tag == "section"]
    assert order == ["status", "methods", "table1", "table2", "figure3", "data"]


def test_the_status_counts_claims_and_says_what_they_are_no_proof_of(page: str) -> None:
    text = " ".join(Page(page).text.split())
    assert "Claims: 8. holds 2, reversed 2, open 2, untested 2." in text
    assert text.count("Scale desk is no proof about the paper's numbers.") == 1
    assert "Table II desk 1 1 1 1 1 of 2" in text


def test_the_same_results_give_the_same_page(page: str, results: Path) -> None:
    assert report.main(["--results", str(results), "--out", str(results / "again.html")]) == 0
    assert (results / "again.html").read_text() == page


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (None, "", "holds no table's document"),
        ("table2.json", "{}", "table2.json is no document of a table"),
        ("table2.json", document_file.to_json(sample()), "table2.png"),  # the plot is missing
    ],
)
def test_what_cannot_be_shown_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str | None, content: str, says: str
) -> None:
    if name is not None:
        (tmp_path / name).write_text(content)
    assert report.main(["--results", str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
@pytest.mark.parametrize("name", ["table2.json", "table1.png", "ucf101.png"])
def test_a_damaged_file_of_the_results_is_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    if name == "table1.png" and kind in TEXTS:
        pytest.skip("the page takes the bytes of a plot as they are")
    path = results / name
    if kind == "wrong-types" and name == "ucf101.png":
        path.write_text("{}")
    put(kind, path)
    assert report.main(["--results", str(results), "--out", str(results / "page.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert not (results / "page.html").exists()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path")
def test_the_page_fits_a_phone(page: str, results: Path) -> None:
    """No element outside its scrolling box sticks out of a screen 390 pixels wide."""
    wide = page.replace("<details>", "<details open>").replace("</body>", WIDTHS)
    (results / "page.html").write_text(wide)
    (results / "phone.html").write_text(PHONE)
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={results / 'profile'}", (results / "phone.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    (title,) = re.findall("<title>(.*?)</title>", done.stdout)
    screen, width, num_outside = map(int, title.split())
    assert screen == 390
    assert width <= screen
    assert num_outside == 0
