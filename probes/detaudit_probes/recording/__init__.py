"""Recording observations: fingerprints, the trace, and facts of the interpreter."""
