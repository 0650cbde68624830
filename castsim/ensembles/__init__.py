"""Many random patients: what is drawn, how the runs are spread and kept, what they say together.

Read study.py (what is asked), priors.py and sampling.py (what draw k is), columns.py and
outcome.py (what is kept of one run), store.py and engine.py (nothing lost, on one machine or many),
then curves.py and planning.py (what comes of it); plans.py is the whole way in one call. What takes
seconds to load (kernels, statistics, workers) is loaded once the input is known to be good.
"""
