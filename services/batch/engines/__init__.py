"""Plugins, where jobs run: each file has a class `Engine` that follows `services.batch.engine.Engine`."""
