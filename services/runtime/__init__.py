"""Operating system services: processes, priorities and displays."""
