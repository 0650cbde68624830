"""Errors a user can act on. Each message: what, where, what is allowed, what to do."""


class CastsimError(Exception):
    """Root of all castsim errors."""

    exit_code = 1


class ScenarioError(CastsimError):
    """The scenario, or a value in it, cannot be used."""

    exit_code = 2


class UnreachableError(ScenarioError):
    """It cannot be done in this anatomy: no such vein, no way to it, no place for the balloon."""


class SolverError(CastsimError):
    """A kernel broke one of its own invariants; never expected."""

    exit_code = 1


class ResultError(CastsimError):
    """A result cannot be read or written."""

    exit_code = 2


class MissingError(CastsimError):
    """Something this machine lacks, such as a graphics library."""

    exit_code = 3


class StoppedError(CastsimError):
    """The user has stopped it; what was finished is kept."""

    exit_code = 130
