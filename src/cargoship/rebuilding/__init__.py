"""An image made again from what its provenance says, and compared: the proof that it is made of what it says."""
