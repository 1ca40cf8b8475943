"""What ends a run early, and what a person is told of it: errors, signals, options that were written wrongly."""
