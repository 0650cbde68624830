"""What pages of casts, plans and comparisons are put together from: parts and figures."""
