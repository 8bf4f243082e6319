"""Signals that end an audit as Ctrl-C does, and that do not break what is handed over afterwards.

Batch systems and ``timeout`` send SIGTERM, a terminal that closes SIGHUP. The first of them
interrupts what runs. Further ones do nothing until the report is written: a second Ctrl-C, or a
batch system that repeats itself, must not lose the result of an hour. SIGKILL ends detaudit at any
moment; the next start clears up behind it.
"""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """``number`` is the signal that has interrupted the audit; None where none has. ``reported``
    says that the user was told.
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
        """From now on no signal interrupts, until :meth:`release`."""
        self._deferred = True

    def release(self) -> None:
        """The next signal interrupts again: nothing can be lost any more."""
        self._deferred = False

    def ignore(self) -> None:
        """For the end of the process: while the interpreter clears up, a signal would be its exit
        status. So would an interruption that was handled, if it came in an ``exec`` of a text, as
        dataclasses are made by: CPython remembers it until the next ``exec`` has ended
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
        """What the user is told: by which signal, where that was not the user's own Ctrl-C."""
        if self.number in (None, signal.SIGINT):
            return "Interrupted."
        return f"Interrupted by {signal.Signals(self.number).name}."


#: Those of this process. Handlers of signals are the process's own; so is what they must know.
interruptions = Interruptions()
