"""A worker that kills itself with SIGKILL the nth time it passes a step. Run as a process of its own."""

import asyncio
import os
import signal
import sys

from pipeline.base import Pipeline
from pipeline.commands import work_off
from pipeline.steps import Steps
from pipeline.worker import Worker
from store import batches, leases
from store.place import find


async def main(what: str, step: str, nth: int) -> None:
    passed = 0

    def hook(name: str) -> None:
        nonlocal passed
        if name == step:
            passed += 1
            if passed == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    Steps.hook = hook
    p = await Pipeline.open(find(), worker=True)
    if what == "batch":
        async with p.store.reading() as tx:
            waiting = await batches.unfinished(tx)
        for batch in waiting:
            await work_off(p, batch, leases.new_owner())
    else:
        await Worker(p).run(until_idle=True)
    await p.aclose()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
