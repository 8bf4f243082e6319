"""The environment variables that a trial inherits."""

from collections.abc import Iterable, Mapping


def environment_for_nests(
    inherited: Mapping[str, str], controlled: Iterable[str], private: str
) -> dict[str, str]:
    """What a nest inherits: the user's environment without the controlled variables, nothing
    written.

    Keras' home, Theano's compile folder and temporary files go to ``private``, the same in both
    nests; Python writes no bytecode into the environment under test.
    """
    gone = set(controlled)
    kept = {name: value for name, value in inherited.items() if name not in gone}
    flags = ",".join(
        part for part in (kept.get("THEANO_FLAGS"), f"base_compiledir={private}/theano") if part
    )
    return {
        **kept,
        "PYTHONDONTWRITEBYTECODE": "1",
        "KERAS_HOME": f"{private}/keras",
        "TMPDIR": f"{private}/tmp",
        "THEANO_FLAGS": flags,
    }
