"""Files that a user names, recordings and results: what is wrong with one is told in a sentence with its name."""

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.report.results import ResultsError
from conformance.settings.files import Unusable
from conformance.settings.options import UsageError
from conformance.transcript.har_nodes import HarError


@contextmanager
def usable(name: str, purpose: str) -> Iterator[None]:
    """While it lasts, a file is read.

    Args:
        name: of the file, as the user is to see it.
        purpose: what cannot be done otherwise: "judged".

    Raises:
        UsageError: the file cannot be read, or is not what it has to be.
    """
    try:
        yield
    except Unusable as error:
        raise UsageError(f"{name} cannot be {purpose}. The file {error}.") from None
    except (HarError, ResultsError) as error:
        raise UsageError(f"{name} cannot be {purpose}. {error}") from None
