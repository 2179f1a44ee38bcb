"""What stands wherever a result of a simulated subject stands: page, terminal, tables."""

SIMULATED = "SIMULATED subject: this tests the software and says nothing about brains."
