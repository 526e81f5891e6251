"""Commands: each module has `add_arguments(parser)` and `run(args)`, and is imported only when it is used."""
