"""``detaudit again``: one tiny model, trained twice with everything pinned."""
