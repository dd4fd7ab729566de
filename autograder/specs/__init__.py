"""One folder per unit: the specification that judges its exercises."""
