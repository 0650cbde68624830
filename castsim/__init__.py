"""castsim: where a liquid embolic agent goes in the veins of the spine."""

__version__ = "0.1.0"
