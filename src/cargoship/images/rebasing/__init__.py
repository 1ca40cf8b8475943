"""The layers that cargoship has put onto a base, put onto another one: nothing is compiled, and little travels."""
