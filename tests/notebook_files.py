"""Writes notebooks for the tests."""

import json
from pathlib import Path


def write(path: Path, *cells: str, language: str = "python") -> None:
    """Write a notebook with these code cells, after one of text."""
    written = [{"cell_type": "markdown", "metadata": {}, "source": ["# Training\n", "%%no code"]}]
    written += [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": code.splitlines(True)}
        for code in cells
    ]
    kernel = {"name": "kernel", "display_name": "a kernel", "language": language}
    notebook = {"cells": written, "metadata": {"kernelspec": kernel}, "nbformat": 4}
    path.write_text(json.dumps(notebook), encoding="utf-8")
