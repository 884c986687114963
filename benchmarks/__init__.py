"""The budgets for speed, memory and requests: ``uv run python -m benchmarks`` prints each figure and its budget.

Most budgets limit ratios, counts and peak memory, so that they hold on any machine; the CPU seconds of the files are
those of a slow one.
"""
