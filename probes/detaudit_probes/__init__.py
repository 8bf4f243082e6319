"""The guest: what runs inside the interpreter under test.

It needs the standard library only at import time and runs on Python 3.6 and newer; NumPy and the
frameworks are imported inside functions. It never imports the engine. The engine reads two of its
modules as data, ``protocol`` and the declarations in ``sources``; everything else is for the guest
alone.
"""
