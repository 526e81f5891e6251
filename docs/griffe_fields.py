"""For the API reference: the text under each field of a class becomes a row of one table instead of a section."""

from __future__ import annotations

from typing import Any

import griffe


class FieldsAsTable(griffe.Extension):
    """Moves fields' docstrings into the `Attributes` section of their class."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Called by griffe for every class that it has read."""
        rows = []
        for field in cls.attributes.values():
            if field.docstring is not None and "property" not in field.labels:
                text = " ".join(field.docstring.value.split())
                default = f" Default `{field.value}`." if field.value is not None else ""
                rows.append(f"    {field.name}: {text}{default}")
                field.docstring = None
        if rows:
            own = cls.docstring.value if cls.docstring else ""
            text = "\n".join([own, "", "Attributes:", *rows])
            cls.docstring = griffe.Docstring(text, parent=cls, parser="google")
