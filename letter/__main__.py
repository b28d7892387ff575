"""`python -m letter`, and the `letter` command."""

import gc

gc.disable()  # all that is loaded stays: to look through it for what is left over would take a sixth of the start

from letter.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
