"""What the local stack asks of the operating system: processes, ports, signals, log files."""
