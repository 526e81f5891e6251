"""One file per `multiview calibrate` command: `HELP`, `add_arguments(parser)`, `run(args) -> int | None`."""
