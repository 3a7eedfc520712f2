"""Reports of checks and runs: on the terminal, as HTML, and in files for other tools."""
