"""Compare the old pipeline's report with the current count, and name the rule behind each number that differs."""
