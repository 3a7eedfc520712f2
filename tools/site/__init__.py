"""What turns ``docs/`` into a site: pages made while building, roles in docstrings, and a check of all links."""
