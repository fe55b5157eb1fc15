"""Read and check the values that people put in settings; name each one that is wrong."""
