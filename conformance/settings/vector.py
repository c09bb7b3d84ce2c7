"""One body that failed in an earlier run, to be sent again."""

from dataclasses import dataclass

NATURAL = "natural"
UNUSUAL = "unusual"
"""Kinds of generated valid bodies, in place of a rule that they break."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One body to be sent again."""

    breach: str
    """The rule that it breaks; `natural` or `unusual` of a valid one."""
    body: bytes
    model: str = ""
    """The model that the body names, to be replaced; empty: none."""

    @property
    def valid(self) -> bool:
        """True of a body that must be accepted."""
        return self.breach in (NATURAL, UNUSUAL)

    def octets(self, model: str) -> bytes:
        """The body, with another model in place of its own."""
        return self.body.replace(self.model.encode(), model.encode()) if self.model else self.body
