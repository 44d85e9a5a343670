"""Key provider ``env``: the root key is a variable of the environment, for development and tests only.

Whoever reads the process table's environment, a crash report or a container's definition has the key; so production
mode refuses this provider, whatever its settings.
"""
