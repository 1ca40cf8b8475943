"""What several kinds of tests share: small real things, and the programs that judge the results."""
