"""What finds and mends what was lost."""
