"""How every kernel is compiled, here and in `castsim.kernels`."""

import numba as nb

kernel = nb.njit(cache=True, nogil=True, error_model="numpy")
"""Cached on disk, without the GIL, 1/0 = inf as in numpy (no checks)."""
law = nb.njit(cache=True, inline="always", error_model="numpy")
"""Compiled into its callers: small, or called so often that handing over its arrays costs more."""
