"""`python -m theorylab` is the command `theorylab`."""

from theorylab.cli import main

main()
