"""``consent check``: check everything that a run needs, and print a fix for every problem."""
