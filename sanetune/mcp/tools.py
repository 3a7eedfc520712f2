"""The tools: what an agent may call, and what each needs.

Every tool that takes longer than a moment starts a job and waits for it for a while, with progress notifications. A job
that is not over by then goes on, and ``status`` says how it ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import Field

from sanetune.errors import UserError
from sanetune.mcp import replies
from sanetune.mcp.answering import pages_of, refused, reply_of, result_of, words_of
from sanetune.mcp.following import follow
from sanetune.mcp.job_folder import Job
from sanetune.mcp.jobs import Jobs
from sanetune.mcp.roots import Roots

File = Annotated[str, Field(description="YAML file of the configuration, below a root.")]
Overrides = Annotated[
    list[str] | None,
    Field(description="Changes for this call alone, each section.key=value, as in train.learning_rate=1e-4."),
]
Names = Annotated[list[str] | None, Field(description="Names of checks or families.")]
Level = Annotated[
    Literal["static", "probe", "trial"] | None,
    Field(description="static: seconds, no weights; probe: a few batches through the model; trial: trains briefly. "
    "Default: check.level of the file. A clearance needs at least that."),
]  # fmt: skip
Wait = Annotated[float, Field(ge=0, le=600, description="Seconds to wait; a job that takes longer goes on.")]
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
BEGUN = 45.0
"""Seconds that ``train`` waits for its first step, or for a refusal."""


class Tools:
    """The tools of one server.

    Args:
        roots: What paths are confined to.
        jobs: Those of these roots.
    """

    def __init__(self, roots: Roots, jobs: Jobs) -> None:
        self._roots, self._jobs = roots, jobs

    async def init(
        self,
        ctx: Context,
        model: Annotated[str | None, Field(description="Folder of the model, or its id on the Hub.")] = None,
        data: Annotated[list[str] | None, Field(description="Files, folders or ids of data sets.")] = None,
        out: Annotated[str, Field(description="The file to write.")] = "sanetune.yaml",
        source: Annotated[str | None, Field(description="Or: a file of Axolotl, LLaMA-Factory, `trl sft`.")] = None,
        method: Annotated[Literal["full", "lora", "qlora"] | None, Field(description="Default: what fits.")] = None,
        overrides: Overrides = None,
        force: Annotated[bool, Field(description="Replace the file if it is there already.")] = False,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.InitReply]:
        """Write a commented sanetune.yaml for a model and data, every value with its reason."""
        return await self._call("init", locals(), ctx, wait_seconds)

    async def data(
        self,
        ctx: Context,
        config: File,
        overrides: Overrides = None,
        split: Literal["train", "validation"] = "train",
        count: Annotated[int, Field(ge=0, le=20, description="Examples to show.")] = 2,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.DataReply]:
        """Show what is trained on: lengths, dropped rows, and examples with the tokens in the loss marked ⟦ ⟧."""
        return await self._call("data", locals(), ctx, wait_seconds)

    async def plan(
        self,
        ctx: Context,
        config: File,
        overrides: Overrides = None,
        forecast: Annotated[bool, Field(description="Forecast memory, hours and cost too.")] = False,
        device: Annotated[str | None, Field(description='Forecast on it, as in "8 x H100".')] = None,
        sharding: Literal["ddp", "fsdp", "zero2", "zero3"] = "ddp",
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.PlanReply]:
        """Say what a run will do, without training: batch size, steps, schedule, every default with its reason."""
        return await self._call("plan", locals(), ctx, wait_seconds)

    async def check(
        self,
        ctx: Context,
        config: File,
        overrides: Overrides = None,
        level: Level = None,
        select: Names = None,
        ignore: Names = None,
        page: Annotated[bool, Field(description="Also make an HTML page, as a resource of the job.")] = False,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.CheckReply]:
        """Find faults in configuration, data, labels and model before training. A check that does not fail, at
        check.level and with no check left out, clears the run. Each finding says what, why, what to do, and its fix."""
        return await self._call("check", locals(), ctx, wait_seconds)

    async def fix(
        self,
        ctx: Context,
        config: File,
        changes: Annotated[
            dict[str, object] | None,
            Field(description="section.key -> value: a finding's fix, or values of your own; no others are set."),
        ] = None,
        remove: Annotated[list[str] | None, Field(description="Keys (section.key) to delete.")] = None,
        clean: Annotated[
            str | None,
            Field(description="Folder for a cleaned copy of the data (no leaked, copied, empty or broken rows), which "
            "the file names then."),
        ] = None,
        level: Level = None,
        select: Names = None,
        ignore: Names = None,
        overrides: Overrides = None,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.FixReply]:  # fmt: skip
        """Change the configuration, with a backup beside it. Without changes, remove and clean: apply every fix that
        findings propose and check again, round by round. Comments and order of the file stay."""
        return await self._call("fix", locals(), ctx, wait_seconds)

    async def train(
        self,
        ctx: Context,
        config: File,
        overrides: Overrides = None,
        resume: Annotated[bool, Field(description="Go on from the last checkpoint.")] = False,
        wait_seconds: Annotated[Wait | None, Field(description="Default: until the first step.")] = None,
    ) -> Annotated[CallToolResult, replies.RunReply]:
        """Train in the background, under watch. Refused unless the run has a clearance that fits: call check first."""
        arguments = locals()
        if wait_seconds is not None:
            return await self._call("train", arguments, ctx, wait_seconds)
        return await self._call("train", arguments, ctx, BEGUN, until="training")

    async def compare(
        self,
        ctx: Context,
        runs: Annotated[list[str], Field(min_length=1, description="Folders of runs; of one: base and tuned.")],
        prompts: Annotated[list[str] | None, Field(description="Prompts of your own.")] = None,
        count: Annotated[int, Field(ge=0, description="Validation rows to ask.")] = 32,
        shown: Annotated[int, Field(ge=0, le=20, description="Prompts whose answers are returned.")] = 3,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.CompareReply]:
        """Say which model is better on the same prompts and rows: base and tuned, or those of several runs."""
        return await self._call("compare", locals(), ctx, wait_seconds)

    async def diagnose(
        self,
        ctx: Context,
        logs: Annotated[list[str], Field(min_length=1, description="Folders of runs, or logs of any trainer.")],
        select: Names = None,
        ignore: Names = None,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.DiagnoseReply]:
        """Say what a run's log shows, whoever wrote it: spikes, overfitting, divergence, which checkpoint to keep."""
        return await self._call("diagnose", locals(), ctx, wait_seconds)

    async def verify(
        self,
        ctx: Context,
        run: Annotated[str, Field(description="Folder of a finished run, or of a model.")],
        endpoint: Annotated[str | None, Field(description="Address of a server on this machine.")] = None,
        gguf: Annotated[str | None, Field(description="A GGUF file; without endpoint it is served here.")] = None,
        model: Annotated[str | None, Field(description="Which of the server's models.")] = None,
        prompts: Annotated[list[str] | None, Field(description="Prompts of your own.")] = None,
        count: Annotated[int, Field(ge=0, le=200, description="Held-out rows to ask.")] = 8,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.VerifyReply]:
        """Prove that a server, or a GGUF file, is the trained model: the same prompt ids, stops and answers for the
        held-out rows."""
        return await self._call("verify", locals(), ctx, wait_seconds)

    async def status(
        self,
        ctx: Context,
        job: Annotated[str | None, Field(description="Name of a job.")] = None,
        run: Annotated[str | None, Field(description="Folder of a run.")] = None,
        wait_seconds: Annotated[float, Field(ge=0, le=600, description="Seconds to wait for its end.")] = 0,
    ) -> Annotated[CallToolResult, replies.StatusReply]:
        """Say how far a job or run is, or list all jobs; with wait_seconds wait for its end. Runs are read from their
        folders, so that it works after the server was started again."""
        try:
            found = await anyio.to_thread.run_sync(self._wanted, job, run)
            if found is not None and wait_seconds:
                await follow(found, ctx, wait_seconds)
            return result_of(await anyio.to_thread.run_sync(self._status, found, run))
        except UserError as error:
            return refused(error)

    async def stop(
        self,
        ctx: Context,
        job: Annotated[str | None, Field(description="Name of a job.")] = None,
        run: Annotated[str | None, Field(description="Folder of a run that this server trains.")] = None,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, replies.StopReply]:
        """End a job as SIGTERM does: a training finishes its step and writes a checkpoint, from which train goes on
        with resume. Called again, it ends at once; a third time it is killed."""
        try:
            found = await anyio.to_thread.run_sync(self._wanted, job, run)
            if found is None:
                raise UserError("no job of this server is meant", remedy="Call status for the jobs.")
            sent = await anyio.to_thread.run_sync(found.stop)
            await follow(found, ctx, wait_seconds)
            return result_of(await anyio.to_thread.run_sync(self._stopped, found, sent))
        except UserError as error:
            return refused(error)

    async def explain(
        self, check: Annotated[str, Field(description="Name of a check, or of a family.")]
    ) -> Annotated[CallToolResult, replies.ExplainReply]:
        """Return the page of a check: what it does, why it is bad, an example, what to use instead, its limits."""
        try:
            pages = await anyio.to_thread.run_sync(pages_of, check)
        except UserError as error:
            return refused(error)
        return result_of(replies.ExplainReply(pages=pages))

    async def _call(
        self, tool: str, arguments: dict[str, object], ctx: Context, seconds: float, until: str = ""
    ) -> CallToolResult:
        """Start a job with the arguments of a tool, and wait for it."""
        given = {
            name: value
            for name, value in arguments.items()
            if name not in ("self", "ctx", "wait_seconds", "arguments") and value is not None
        }
        try:
            job = await anyio.to_thread.run_sync(self._jobs.start, tool, given)
            await follow(job, ctx, seconds, until)
            return result_of(await anyio.to_thread.run_sync(reply_of, job))
        except UserError as error:
            return refused(error, tool, given)

    def _wanted(self, name: str | None, run: str | None) -> Job | None:
        """The job that is meant; None where a run is that no job of this server trains, or nothing is named."""
        if name:
            return self._jobs.find(name)
        return self._jobs.of_run(self._roots.path(run, "the run")) if run else None

    def _status(self, job: Job | None, run: str | None) -> replies.StatusReply:
        from sanetune.mcp.run_status import status

        if run is not None:
            found = status(self._roots.tree(run, "the run"))
            return replies.StatusReply(job=job.id if job else "", run=found, next=found.next, progress=found.text)
        if job is not None:
            reply = reply_of(job)
            trained = Path(job.progress.run) if job.progress.run else None
            found_run = status(trained) if trained is not None and trained.is_dir() else None
            return replies.StatusReply(
                **reply.model_dump(include={"job", "state", "progress", "error", "next"}),
                tool=job.tool,
                result={} if reply.state != "finished" else reply.model_dump(mode="json"),
                run=found_run,
            )
        lines = [
            replies.JobLine(job=one.id, tool=one.tool, state=one.state, progress=words_of(one))
            for one in self._jobs.all()[:20]
        ]
        return replies.StatusReply(jobs=lines)

    def _stopped(self, job: Job, sent: str) -> replies.StopReply:
        reply = self._status(job, None)
        names = {"job", "state", "progress", "next"}
        return replies.StopReply(**reply.model_dump(include=names), signal=sent, run=reply.run)
