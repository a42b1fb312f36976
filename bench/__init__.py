"""Measurements: speed against peers, vendor calls, faults under load. Figures are ratios taken in one run."""
