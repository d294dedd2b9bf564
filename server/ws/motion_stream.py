"""Motion stream: the face's motion as messages, for clients that render their own 3D avatar.

Runs on: event loop, a tenth of a millisecond per frame. A frame is sent as soon as its motion is known, 10 to 50 ms
before it is due, so that a client has time to render it.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from server.protocol.events import Event, Motion
from server.protocol.fields import UNSET
from streaming.media import MotionFrame
from streaming.session import Session
from styletalk_core.face.spaces import MESH64, Space

if TYPE_CHECKING:
    from styletalk_core.face.arkit import FaceDriver

DIGITS = 4


@cache
def face_driver() -> "FaceDriver":
    """Return the converter from expressions to blendshapes and visemes; loads its files on first use."""
    from styletalk_core.face.arkit import FaceDriver

    driver = FaceDriver()
    driver.visemes(np.zeros((1, 64), np.float32))
    return driver


def names(parts: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the names of the parts' values, in order."""
    from styletalk_core.face.arkit import ARKIT, VISEMES
    from styletalk_core.phones import PHONES

    known = {"arkit": ARKIT, "visemes": VISEMES, "phones": PHONES}
    return {part: list(known[part]) for part in parts if part in known}


class MotionStream:
    """Motion stream of one client.

    Args:
        parts: of `MOTION_PARTS`.
        space: meaning of the expression coefficients; blendshapes and visemes are computed from `mesh64`.
        send: sends a message, or drops it when the client is slow.
    """

    def __init__(self, parts: tuple[str, ...], space: Space, send: Callable[[Event], None]) -> None:
        self.parts = parts
        self._space = space
        self._send = send
        self._session: Session | None = None

    def follow(self, session: Session | None) -> None:
        """Switches to the motion of this session; None for none."""
        if session is self._session:
            return
        if self._session is not None:
            self._session.motion_taps.remove(self._frame)
        if session is not None:
            session.motion_taps.append(self._frame)
        self._session = session

    def _frame(self, motion: MotionFrame, column: NDArray[np.float32]) -> None:
        if self._session is None:
            return
        clock, parts = self._session.clock, self.parts
        expression, blink = self._mesh(motion.expression[None]), np.array([motion.blink], np.float32)
        self._send(
            Motion(
                motion.index,
                motion.tick,
                due_ms=round((clock.deadline(motion.tick) - clock.now()) * 1000),
                pose=_list(motion.pose),
                gaze=_list(motion.gaze),
                blink=round(float(motion.blink), DIGITS),
                expression=_list(motion.expression) if "expression" in parts else UNSET,
                arkit=(
                    _list(face_driver().blendshapes(expression, motion.gaze[None], blink)[0])
                    if "arkit" in parts
                    else UNSET
                ),
                visemes=_list(face_driver().visemes(expression)[0]) if "visemes" in parts else UNSET,
                phones=_list(column) if "phones" in parts else UNSET,
            )
        )

    def _mesh(self, expression: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the `mesh64` coefficients of an expression."""
        if self._space == MESH64:
            return expression
        from styletalk_core.face.basel import converted

        return converted(expression, self._space, MESH64)


def _list(values: NDArray[np.float32]) -> list[float]:
    return [round(value, DIGITS) for value in values.tolist()]
