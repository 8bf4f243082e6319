"""What was observed, written down: fingerprints, the trace, facts of the interpreter."""
