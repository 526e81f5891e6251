"""Small tools that every room may use: files, TOML, plugins, colours."""
