"""The live system: small processes around library calls, joined by ZeroMQ."""
