"""How one question is answered: a pure decision and the driver that acts on it."""
