"""The commands of ``python -m companion``: a module each, with ``add(parser)`` and ``run(options)``."""
