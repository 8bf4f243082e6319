"""``python -m detaudit``: the command line."""

from detaudit.cli import main

if __name__ == "__main__":
    main()
