"""Waits for a job, and tells the client how far it is."""

from __future__ import annotations

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context

from sanetune.mcp.answering import words_of
from sanetune.mcp.job_folder import Job, Progress

OFTEN, SELDOM = 0.05, 0.5
"""Seconds between two readings of a job: at first, and later."""
SMALL = 1e-4
"""Added to a value that has to rise although no more is done: the protocol asks for it."""


async def follow(job: Job, ctx: Context, seconds: float, until: str = "") -> None:
    """Wait until ``job`` is over, with progress notifications where the client asks for them.

    A client that cancels the call ends the wait alone.

    Args:
        job: The job.
        ctx: The call that waits.
        seconds: How long to wait; the job then goes on.
        until: A phase that is waited for instead of the end; empty: the end.
    """
    shown, shift, pause = Progress(words=""), 0.0, OFTEN
    last = -1.0
    with anyio.move_on_after(seconds):
        while await anyio.to_thread.run_sync(lambda: job.state) == "running":
            now = job.progress
            if now != shown:
                if now.done < shown.done:  # another part of the work begins
                    shift += shown.done
                last = max(last + SMALL, shift + now.done)
                total = None if shift or now.total is None else now.total
                await ctx.report_progress(last, total, words_of(job))
                shown = now
            if until and now.phase == until:
                return
            await anyio.sleep(pause)
            pause = min(SELDOM, pause * 1.2)
