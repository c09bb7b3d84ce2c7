"""What is to be answered: frozen values between the intake, which decides, and the answers, which put it into JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

APPROVAL = "tool_calls"
"""The `finish_reason` of an answer that waits for approval (S)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call that waits."""

    id: str
    """A UUID; the resume request names the call by it (R)."""
    name: str
    arguments: str
    """A JSON text that holds an object."""


@dataclass(frozen=True, slots=True)
class PendingCalls:
    """Calls of one execution that wait for a person."""

    id: str
    execution_id: str
    calls: tuple[Call, ...]
    owner: str
    """The token of the caller who was asked."""
    expires: float
    """Unix seconds."""
    further: bool = False
    """True where a resume led to them."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the person decided. Calls that are not named count as denied: nothing runs that nobody approved."""

    approval_id: str
    approved: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer with status 200."""

    id: str
    """`chatcmpl_…`."""
    created: int
    """Unix seconds."""
    model: str
    request_id: str
    execution_id: str
    stream: bool
    tokens: tuple[str, ...] = ()
    """The text, token by token; joined it is the content."""
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    credits_charged: float = 0
    approval: PendingCalls | None = None
    """The calls that the answer waits for; None: a standard answer."""
    resolution: Resolution | None = None
    """The decision that this answer carries out; None: a new chat."""

    @property
    def text(self) -> str:
        """The content as a whole."""
        return "".join(self.tokens)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error object."""

    status: int
    type: str
    code: str
    message: str
    request_id: str
    headers: tuple[tuple[str, str], ...] = ()
    """Beyond those that every answer has, such as `Allow`."""


Decision = Serve | Refuse


class ObjectKind(StrEnum):
    """What an answer's objects are."""

    COMPLETION = "completion"
    APPROVAL = "approval"
    CHUNK = "chunk"
    APPROVAL_CHUNK = "approval-chunk"
    ERROR = "error"
