"""`python -m letter`."""

from letter.cli import main

main()
