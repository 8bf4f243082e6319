"""The guest: the package that runs inside the interpreter under test.

At import it needs the standard library only, and it runs on Python 3.6 and newer; NumPy and the
frameworks are imported inside functions. It never imports the engine. The engine reads two parts of
it as data: ``protocol`` and the declarations in ``sources``. Everything else is for the guest only.
"""
