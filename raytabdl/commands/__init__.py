"""Groups of the command `raytabdl`, a file each; heavy packages are imported where a command needs them."""
