"""What can go wrong, as types: each message says what was seen and how to mend it."""

from __future__ import annotations


class RaytabdlError(Exception):
    """The root of every error that raytabdl raises on purpose."""


class DataError(RaytabdlError, ValueError):
    """A table or a target that cannot be learned from, or that does not fit the fitted one."""


class SettingError(RaytabdlError, ValueError):
    """A parameter of an estimator or of the command line with a value that it cannot have."""


class NoSuccessfulTrialError(RaytabdlError, RuntimeError):
    """A run that ends without a single usable model; lists the reasons with their counts."""


class RunFolderError(RaytabdlError, OSError):
    """A run folder that cannot be written, holds another run, or has nothing to resume."""


class CorruptModelError(RaytabdlError, OSError):
    """A saved model with a file that is missing, cut short or changed since it was written."""


class CurvesError(RaytabdlError, OSError):
    """A file of learning curves that is missing, cut short, of another version, or cannot be fetched."""


class ClusterError(RaytabdlError, ConnectionError):
    """A Ray cluster that cannot be reached, refuses the token, or lacks what one trial needs."""


class ExportError(RaytabdlError, ValueError):
    """A member of an ensemble that another format cannot express, named with the reason."""
