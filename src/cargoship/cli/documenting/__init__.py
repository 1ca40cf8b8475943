"""What is made of the commands themselves: the reference, manual pages, and what completes words in shells."""
