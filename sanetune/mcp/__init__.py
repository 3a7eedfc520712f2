"""The MCP server: what the commands do, as tools that a coding agent calls (``sanetune mcp``).

The server itself imports no torch and trains nothing. Each call that takes longer than a moment is a job: a process of
its own, which leaves its progress and result in a folder (:mod:`sanetune.mcp.jobs`), so that neither a crash of a job
ends the server nor the end of the server a training.
"""
