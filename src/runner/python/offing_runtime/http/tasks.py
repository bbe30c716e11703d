"""FastMCP's background tasks, as far as the platform asks: whether any would be lost with this instance."""


def has_engine(server):
    """Whether the server has tasks: their engine runs, once its lifespan was entered."""
    return getattr(server, "_docket", None) is not None


async def unfinished(server):
    """
    Whether the task engine (docket) of a server has work that is not done, or
    outcomes that nobody may have read: in memory all of it ends with the process.
    """
    if not has_engine(server):
        return False
    docket = server._docket
    async with docket.redis() as redis:
        if await redis.xlen(docket.stream_key) or await redis.zcard(docket.queue_key):
            return True
        # FastMCP keeps what it knows of a task under these until its time is over.
        return bool(await redis.keys(docket.key("fastmcp:task:*")))
