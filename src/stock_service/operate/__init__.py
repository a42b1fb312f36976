"""What the steps of the runbook run. Talks to a running service over public HTTP only."""
