"""The error that geometry raises; castsim's errors build on it."""


class GeometryError(ValueError):
    """An anatomy, network or mesh that cannot be built: says what, where and what is allowed."""
