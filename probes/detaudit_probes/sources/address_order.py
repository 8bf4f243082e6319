"""Addresses: the default hash of an object, ``id()``, and so the order of a set of objects, is where it lies in memory.

The system loads every process elsewhere (address space layout randomisation), so a set of plain objects is iterated
in another order in every run; the hash seed does not reach it. From outside it is held by a process without the
randomisation, which not every container allows.
"""
from detaudit_probes.declare import InScript, Link, Pin, Source

ID = "address-order"
PIN = "fixed-addresses"

SOURCE = Source(
    id=ID,
    family="order",
    title="the order of addresses (id(), sets of objects)",
    breaks="A set of objects is iterated in the order of their addresses.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            holds=(ID,),
            options={"fixed_addresses": True},
            lines={"*": ("# use a list, or give the class a __hash__ and __eq__ of its own values",)},
        ),
    ),
    links=(Link("object.__hash__", "https://docs.python.org/3/reference/datamodel.html#object.__hash__"),),
    advice="Keep objects in a list or a dictionary; a set of them has no order of its own.",
    script=InScript(PIN, told=False, sites=False),
)
