"""``python -m gateway``: the command line, for machines where scripts are not on the path."""

from gateway.cli import main

main()
