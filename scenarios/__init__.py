"""The scenarios that come with castsim: one commented TOML file a case."""
