"""What `iicl list` prints."""

import pytest

from iicl import methods
from iicl.catalogue import catalogue


def without_spaces(text: str) -> str:
    """The text without the places where a line may end."""
    return "".join(text.split())


@pytest.mark.parametrize("name", methods.names())
def test_a_method_is_listed_with_its_system_source_settings_and_departures(name: str) -> None:
    settings = methods.settings_class(name)
    lines = catalogue().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"  {name}: "))
    stop = next(i for i, line in enumerate(lines[start + 1 :], start + 1) if line[:3] != "   ")
    found = without_spaces("".join(lines[start:stop]))
    wanted = [f"printed as {settings.SYSTEM}; {settings.REFERENCE}", *settings.DEPARTURES]
    fields = {field: info for field, info in settings.model_fields.items() if field != "name"}
    wanted += [f"{field} = {info.default!r}" for field, info in fields.items()]
    assert [words for words in wanted if without_spaces(words) not in found] == []
