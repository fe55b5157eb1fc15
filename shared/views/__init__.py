"""What people see of the ledger. Reads only."""
