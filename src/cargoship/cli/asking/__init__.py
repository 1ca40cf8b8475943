"""What commands ask of a person: options that they share, values that a shell offers, and the requests made of them."""
