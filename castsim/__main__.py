"""``python -m castsim`` is the command line, as ``castsim`` is."""

import sys

from castsim.cli import main

sys.exit(main())
