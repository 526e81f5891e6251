"""The live system: small processes that call the library and communicate over ZeroMQ."""
