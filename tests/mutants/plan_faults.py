"""Seeded faults in plans: priors, draws, chances and indices."""

from tests.mutants.fault import Edit, Fault

PRIORS = "castsim/ensembles/priors.py"
SAMPLING = "castsim/ensembles/sampling.py"
CURVES = "castsim/ensembles/curves.py"
OUTCOME = "castsim/ensembles/outcome.py"
INDICES = "castsim/ensembles/indices.py"
PRIORS_TEST = "tests/unit/test_priors.py"
DRAWS_TEST = "tests/unit/test_sampling.py"
CURVES_TEST = "tests/property/test_plans.py"
OUTCOME_TEST = "tests/unit/test_outcome.py"
INDICES_TEST = "tests/verification/test_plan_statistics.py"

PLAN_FAULTS: tuple[Fault, ...] = (
    Fault(
        "plan: a prior's two widths change places",
        (
            Edit(
                PRIORS,
                "width = (high - middle if z > 0 else middle - low) / _Z95",
                "width = (high - middle if z < 0 else middle - low) / _Z95",
            ),
        ),
        (PRIORS_TEST,),
    ),
    Fault(
        "plan: all draws are the same patient",
        (
            Edit(
                SAMPLING,
                "spawn_key=(stream, number)",
                "spawn_key=(stream, 0)",
            ),
        ),
        (DRAWS_TEST,),
    ),
    Fault(
        "plan: every chunk begins with the first point",
        (
            Edit(
                SAMPLING,
                "engine.fast_forward(first)",
                "engine.fast_forward(0)",
            ),
        ),
        (DRAWS_TEST,),
    ),
    Fault(
        "plan: what the scenario gives is drawn all the same",
        (
            Edit(
                SAMPLING,
                "elif _lookup(given, prior.field) is not None:",
                "elif False:",
            ),
        ),
        (DRAWS_TEST,),
    ),
    Fault(
        "plan: rules still stop the runs",
        (
            Edit(
                SAMPLING,
                'if rule["action"] != "stop"]',
                "if True]",
            ),
        ),
        (DRAWS_TEST,),
    ),
    Fault(
        "plan: rates and pauses stay as planned",
        (
            Edit(
                SAMPLING,
                "table[key] *= factor",
                "table[key] *= 1.0",
            ),
        ),
        (DRAWS_TEST,),
    ),
    Fault(
        "plan: covered counts as safe",
        (
            Edit(
                CURVES,
                '"covered_and_safe": covered & ~unsafe',
                '"covered_and_safe": covered',
            ),
        ),
        (CURVES_TEST,),
    ),
    Fault(
        "plan: over-pressure before it comes",
        (
            Edit(
                CURVES,
                "[:, None] <= volumes_mL",
                "[:, None] >= volumes_mL",
            ),
        ),
        (CURVES_TEST,),
    ),
    Fault(
        "plan: intervals hold 90 % instead of 95 %",
        (
            Edit(
                CURVES,
                "z = float(ndtri(0.975))",
                "z = float(ndtri(0.95))",
            ),
        ),
        (INDICES_TEST,),
    ),
    Fault(
        "plan: the target's own level counts as another",
        (
            Edit(
                OUTCOME,
                "(flow.cell_level != target.root)",
                "(flow.cell_level == target.root)",
            ),
        ),
        (OUTCOME_TEST,),
        compiled=True,
    ),
    Fault(
        "plan: an input's own share is read from A twice",
        (
            Edit(
                INDICES,
                "alone = weights @ (f_b * change).T",
                "alone = weights @ (f_a * change).T",
            ),
        ),
        (INDICES_TEST,),
    ),
)
