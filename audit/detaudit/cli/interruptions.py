"""Signals that end an audit like Ctrl-C, without disturbing the writing of its report.

Batch systems and ``timeout`` send SIGTERM, a terminal that closes sends SIGHUP. The first signal
interrupts the audit. Later ones do nothing until the report is written: a second Ctrl-C, or a batch
system that repeats its signal, must not lose the result of an hour. SIGKILL ends detaudit at any
moment; the next start cleans up after it.
"""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """``number`` is the signal that interrupted the audit, None if there was none. ``reported`` is
    true once the user has been informed.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.reported = False
        self._deferred = False

    def install(self) -> None:
        """Handle the signals, except those that were ignored when the command was started: under
        ``nohup``, or in the background of a script.
        """
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def defer(self) -> None:
        """Ignore signals from now on, until :meth:`release`."""
        self._deferred = True

    def release(self) -> None:
        """Let the next signal interrupt again, because nothing can be lost now."""
        self._deferred = False

    def ignore(self) -> None:
        """Ignore signals until the process ends: otherwise a signal during the interpreter's
        cleanup would become its exit status.

        So would an interruption that was handled, if it arrived in an ``exec`` of a text
        (dataclasses are created this way): CPython remembers it until the next ``exec`` has ended
        (``unhandled_keyboard_interrupt`` in Python/pythonrun.c).
        """
        exec("pass")
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._deferred:
            return
        self.number, self._deferred = number, True
        raise KeyboardInterrupt

    @property
    def sentence(self) -> str:
        """Return the sentence for the user. It names the signal, unless that was the user's own
        Ctrl-C.
        """
        if self.number in (None, signal.SIGINT):
            return "Interrupted."
        return f"Interrupted by {signal.Signals(self.number).name}."


#: The state of this process: signal handlers belong to the process, so their state does too.
interruptions = Interruptions()
