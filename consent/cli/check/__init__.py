"""The doctor: what would stop a run or make its report wrong, and how to mend it."""
