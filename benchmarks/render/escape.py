"""Text from files that people write, as Markdown that shows it as it is."""

import re

# A mark that CommonMark, or GitHub's tables, formulas and deletions, could take for its own.
_MARKS = re.compile(
    r"""
    \\(?=[!-/:-@\[-`{-~]|$)        # a backslash before punctuation, which may follow the text too
    | [`*~$]
    | (?<![^\W_])_ | _(?![^\W_])   # an underline that does not stand between letters or digits
    | <(?=\S)                      # HTML, or a link
    | &(?=\#?\w+;)                 # an entity
    """,
    re.VERBOSE,
)
# Brackets that are no link, whatever stands around the text, such as those of a citation.
_HARMLESS_BRACKETS = re.compile(r"(?:[^\[\]]|\[[^\[\]]*\](?![(\[:]|$)|\[\w[^\[\]]*\]$)*")
# What makes a heading, a list, a quotation, a rule or a box to tick of the line that it begins.
_BEGINNING = re.compile(r"^(?:(?=[#>=|]|[-+](?:\s|$|[-=])|\[[ xX]\])|(\d+)(?=[.)](?:\s|$)))")


def one_line(text: str) -> str:
    """``text`` in one line, with escapes in place of characters that do not print."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)


def inline(text: str) -> str:
    """``text`` for the inside of a line of Markdown."""
    words = one_line(text)
    marked = _MARKS.sub(lambda mark: f"\\{mark.group()}", words)
    if _HARMLESS_BRACKETS.fullmatch(words):
        return marked
    return re.sub(r"[\[\]]", r"\\\g<0>", marked)


def line(text: str) -> str:
    """``text`` for the beginning of a line or of an entry of a list."""
    return _BEGINNING.sub(lambda mark: f"{mark.group(1) or ''}\\", inline(text))


def cell(text: str) -> str:
    """Markdown, such as what :func:`inline` gives, for a cell of a table."""
    return text.replace("|", "\\|")


def code(text: str) -> str:
    """``text`` as code."""
    words = one_line(text)
    longest = max((len(ticks) for ticks in re.findall("`+", words)), default=0)
    blank = " " if words[:1] == "`" or words[-1:] == "`" else ""
    fence = "`" * (longest + 1)
    return f"{fence}{blank}{words}{blank}{fence}"
