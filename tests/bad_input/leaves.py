"""A file that leaves the process."""

import sys

sys.exit(0)
