#!/usr/bin/python3
"""asyncio: Python's own event loop. Its coroutines have no stacks, so memory is its strong row.

The echo rows use the loop's calls on sockets (sock_recv, sock_sendall), which is how blocking-style
code reads there, or streams: whichever is faster.
"""

import asyncio
import time

import rows


class Group:
    """The end of many tasks: the last one tells main."""

    def __init__(self, n):
        self.running = n
        self.future = asyncio.get_running_loop().create_future()

    def ended(self):
        self.running -= 1
        if self.running == 0:
            self.future.set_result(None)


# The loop keeps only weak references to its tasks, so somebody has to hold them.
tasks = set()


def start(coroutine):
    task = asyncio.get_running_loop().create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def yield_row(name, n):
    laps = rows.Laps(n, 200000)
    group = Group(n)
    sleep = asyncio.sleep

    async def first():
        while not laps.done:
            laps.next()
            await sleep(0)
        group.ended()

    async def other():
        while not laps.done:
            await sleep(0)
        group.ended()

    for i in range(n):
        start(first() if i == 0 else other())
    await group.future
    rows.say(name, laps.best(), "ns")


async def nothing():
    pass


async def best_of(run, n):
    values = []
    for _ in range(rows.REPEATS + 1):
        begun = time.monotonic_ns()
        await run()
        values.append((time.monotonic_ns() - begun) / n)
    return min(values[1:])


async def spawn_join(name, n):
    n = rows.steps(n)
    create = asyncio.get_running_loop().create_task

    async def run():
        for _ in range(n):
            await create(nothing())
    rows.say(name, await best_of(run, n), "ns")


async def many(name, n, body):
    create = asyncio.get_running_loop().create_task

    async def run():
        group = Group(n)

        async def task():
            await body()
            group.ended()
        held = [create(task()) for _ in range(n)]
        await group.future
        del held
    rows.say(name, await best_of(run, n), "ns")


async def spawn_queued(name, n):
    await many(name, n, nothing)


async def spawn_block(name, n):
    await many(name, n, lambda: asyncio.sleep(0))


async def parked(name, n):
    # A Python frame stands for the 512 bytes that the rows in C put there.
    if not rows.room(name, n, 8):
        return
    n = rows.steps(n)
    loop = asyncio.get_running_loop()
    arrived = 0

    async def below_a_frame():
        nonlocal arrived
        arrived += 1
        await loop.create_future()

    async def task():
        await below_a_frame()

    before = rows.memory_kb()
    held = [loop.create_task(task()) for _ in range(n)]
    while arrived < n:
        await asyncio.sleep(0)
    rows.say(name, (rows.memory_kb() - before) / len(held), "KB")
    end_at_once()


def end_at_once():
    """End here: to cancel a million tasks one by one is no part of the row."""
    import os
    import sys
    sys.stdout.flush()
    os._exit(0)


async def sleepers(name, n):
    n = rows.steps(n)
    group = Group(n)

    async def sleeper(i):
        for nap in rows.naps(i):
            await asyncio.sleep(nap)
        group.ended()

    before = time.process_time_ns()
    held = [asyncio.get_running_loop().create_task(sleeper(i)) for i in range(n)]
    await group.future
    rows.say(name, (time.process_time_ns() - before) / 1e6, "ms")
    del held


async def echo_sockets(connections, pair):
    loop = asyncio.get_running_loop()
    trips = rows.Laps(1, 10000)
    group = Group(2 * connections)

    async def answer(end):
        while True:
            data = await loop.sock_recv(end, 4096)
            if not data:
                break
            await loop.sock_sendall(end, data)
        end.close()
        group.ended()

    async def ask(end):
        while not trips.done:
            trips.next()
            await loop.sock_sendall(end, rows.MESSAGE)
            if await loop.sock_recv(end, len(rows.MESSAGE)) != rows.MESSAGE:
                raise ValueError("echo: wrong bytes")
        end.close()
        group.ended()

    for _ in range(connections):
        near, far = pair()
        near.setblocking(False)
        far.setblocking(False)
        start(answer(far))
        start(ask(near))
    await group.future
    return trips.best()


async def echo_streams(connections, pair):
    trips = rows.Laps(1, 10000)
    group = Group(2 * connections)

    async def answer(reader, writer):
        while True:
            data = await reader.read(4096)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()
        group.ended()

    async def ask(reader, writer):
        while not trips.done:
            trips.next()
            writer.write(rows.MESSAGE)
            await writer.drain()
            if await reader.readexactly(len(rows.MESSAGE)) != rows.MESSAGE:
                raise ValueError("echo: wrong bytes")
        writer.close()
        group.ended()

    for _ in range(connections):
        near, far = pair()
        start(answer(*await asyncio.open_connection(sock=far)))
        start(ask(*await asyncio.open_connection(sock=near)))
    await group.future
    return trips.best()


async def echo(name, n, pair):
    rows.say(name, min(await echo_sockets(n, pair), await echo_streams(n, pair)), "ns")


async def echo_socketpair(name, n):
    import socket
    await echo(name, n, socket.socketpair)


async def echo_tcp(name, n):
    await echo(name, n, rows.tcp_pair)


def row(name, function, n):
    return name, lambda name, n: asyncio.run(function(name, n)), n


if __name__ == "__main__":
    rows.main([
        row("yield_2", yield_row, 2),
        row("yield_1000", yield_row, 1000),
        row("yield_10000", yield_row, 10000),
        row("spawn_join", spawn_join, 20000),
        row("spawn_queued_10000", spawn_queued, 10000),
        row("spawn_block_10000", spawn_block, 10000),
        row("parked_100000", parked, 100000),
        row("parked_1000000", parked, 1000000),
        row("sleepers_100000", sleepers, 100000),
        row("echo_socketpair", echo_socketpair, 1),
        row("echo_tcp_100", echo_tcp, 100),
    ])
