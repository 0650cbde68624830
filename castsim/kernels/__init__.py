"""Numba kernels: pure functions on arrays, no checks, no objects, no printing.

Read in this order: :mod:`arrays` (what the arrays mean), :mod:`laws` (skin, gel, core: the
scalar physics), :mod:`factor` (sparse LDL'), :mod:`connectivity`, :mod:`pressure` (one solve with
diodes and gates), :mod:`filling` (the event queue of a step), :mod:`solidification`,
:mod:`detachment`, :mod:`quasistatic`.
"""
