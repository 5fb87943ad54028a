"""`/end`: exactly the process that is meant ends, and only where faults are allowed."""

from http import HTTPStatus

import pytest
from pytest_django import Settings

from bazaar.protocol.process_end import EndAnswerBody, EndBody, EndSignal
from bazaar.runtime.metrics import process_life
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.end_endpoint import make_end_endpoint


def call(wanted: EndBody) -> tuple[EndAnswerBody, list[EndSignal]]:
    """Return the answer, and how the process would have ended itself."""
    ended: list[EndSignal] = []
    action = make_end_endpoint(ended.append).action("POST")
    assert action is not None
    return action.handler(wanted), ended


def test_the_process_that_is_meant_ends() -> None:
    pid, up_since_s = process_life()
    answer, ended = call(EndBody(pid=pid, up_since_s=up_since_s, signal="TERM"))
    assert (answer.is_ending, ended) == (True, ["TERM"])


@pytest.mark.parametrize("change", ["pid", "up_since_s"])
def test_the_process_that_came_after_it_goes_on(change: str) -> None:
    """A request may arrive twice, or be recorded and sent again."""
    pid, up_since_s = process_life()
    life = {"pid": pid, "up_since_s": up_since_s}
    life[change] += 1
    answer, ended = call(EndBody(**life, signal="KILL"))  # type: ignore[arg-type]
    assert (answer.is_ending, ended) == (False, [])


def test_without_fault_buttons_nothing_ends(settings: Settings) -> None:
    settings.BAZAAR_FAULT_BUTTONS = False
    pid, up_since_s = process_life()
    with pytest.raises(EndpointRefusedError) as caught:
        call(EndBody(pid=pid, up_since_s=up_since_s, signal="KILL"))
    assert caught.value.status == HTTPStatus.FORBIDDEN
