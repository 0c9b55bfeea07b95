"""The exact engine: Lie derivatives, normal forms and derivations."""
