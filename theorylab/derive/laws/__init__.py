"""Conservation laws of a flow at given sizes: its vector fields, polynomial laws, and a bound from the Lie closure."""
