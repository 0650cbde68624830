"""castsim: where a liquid embolic agent goes in the veins of the spine."""
