"""The prompt of the client: what it says before the first line."""

from bazaar.management.client.prompt import HELP
from bazaar.management.commands.client import Command


def test_the_help_of_the_prompt_names_every_mode() -> None:
    modes = {name.removeprefix("do_") for name in dir(Command) if name.startswith("do_")}
    named = {line.split()[0] for line in HELP.splitlines()}
    assert "trade" in modes
    assert modes <= named
