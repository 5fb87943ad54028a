"""
`/end`: this process ends itself, asked from another host (docs/adr/0049).

Only where `BAZAAR_FAULT_BUTTONS` allows faults at all.
"""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings

from bazaar.protocol.process_end import EndAnswerBody, EndBody, EndSignal
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import process_life
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.endpoint import Endpoint, Port, post
from bazaar.web.main_process import end_soon

log = get_log("bazaar.web")
EXAMPLE = EndBody(pid=0, up_since_s=0.0, signal="KILL")
"""Ends nothing: no process has this pid."""


def make_end_endpoint(end: Callable[[EndSignal], None] = end_soon) -> Endpoint:
    """Return the endpoint. end: ends this process, after a moment."""

    def end_process(wanted: EndBody) -> EndAnswerBody:
        """
        End this process, as a signal would: KILL at once, TERM in an orderly way.

        POST `{"pid", "up_since_s", "signal"}` answers `{"is_ending"}`: false when the process that
        is meant has ended already. 403 where `BAZAAR_FAULT_BUTTONS` is 0.
        """
        if not settings.BAZAAR_FAULT_BUTTONS:
            raise EndpointRefusedError(
                HTTPStatus.FORBIDDEN,
                "BAZAAR_FAULT_BUTTONS is not 1 for this process, so it is ended on its own "
                "host only.",
            )
        is_meant = (wanted.pid, wanted.up_since_s) == process_life()
        if is_meant:
            log.warning("ends itself", signal=wanted.signal)
            end(wanted.signal)
        return EndAnswerBody(is_ending=is_meant)

    return Endpoint("/end", post(end_process, EndBody, EXAMPLE), ports=(Port.CONTROL,))
