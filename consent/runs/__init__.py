"""One run of the weekly job: the pipeline, the queue's worker, the lease, the schedule and the run history."""
