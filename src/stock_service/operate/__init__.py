"""What the steps of the runbook run: they speak to a service by its public HTTP, to a cluster by kubectl and helm."""
