"""The version of this suite."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("kitemesh-conformance")
except PackageNotFoundError:  # a source tree that nobody installed
    VERSION = "0+unknown"
