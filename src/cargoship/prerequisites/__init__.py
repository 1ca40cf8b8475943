"""What a plan needs of a machine to be compiled: found before anything is, by builds, `plan` and `doctor`."""
