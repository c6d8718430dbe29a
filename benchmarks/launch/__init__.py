"""Who does it? Here or on a cluster: request, grouping, submission, job, attempt."""
