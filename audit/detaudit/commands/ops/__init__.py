"""``detaudit ops``: the operations of the installed framework, one by one, on this device."""
