"""Three readings of one formula: exact at given sizes, indexed for all sizes, numeric in torch."""
