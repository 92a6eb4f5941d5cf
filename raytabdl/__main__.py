"""`python -m raytabdl` is the command `raytabdl`."""

from raytabdl.cli import main

if __name__ == "__main__":
    main()
