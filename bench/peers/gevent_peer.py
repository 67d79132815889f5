#!/usr/bin/python3
"""gevent: what cress is called after in C. Greenlets whose stacks are copied when they switch.

sleep(0) is its yield. Where no handle is needed spawn_raw is used, as cress_go is there.
"""

import time

import gevent
import gevent.event
import gevent.hub
import gevent.socket
import rows


class Group:
    """The end of many greenlets: the last one tells main."""

    def __init__(self, n):
        self.running = n
        self.waiter = gevent.event.Event()

    def ended(self):
        self.running -= 1
        if self.running == 0:
            self.waiter.set()

    def wait(self):
        self.waiter.wait()


def yield_row(name, n):
    laps = rows.Laps(n, 200000)
    group = Group(n)
    sleep = gevent.sleep

    def first():
        while not laps.done:
            laps.next()
            sleep(0)
        group.ended()

    def other():
        while not laps.done:
            sleep(0)
        group.ended()

    for i in range(n):
        gevent.spawn_raw(first if i == 0 else other)
    group.wait()
    rows.say(name, laps.best(), "ns")


def nothing():
    pass


def spawn_join(name, n):
    n = rows.steps(n)

    def run():
        for _ in range(n):
            gevent.spawn(nothing).join()
    rows.say(name, rows.best_of(run, n), "ns")


def many(name, n, body):
    def run():
        group = Group(n)
        ended = group.ended

        def greenlet():
            body()
            ended()
        for _ in range(n):
            gevent.spawn_raw(greenlet)
        group.wait()
    rows.say(name, rows.best_of(run, n), "ns")


def spawn_queued(name, n):
    many(name, n, nothing)


def spawn_block(name, n):
    sleep = gevent.sleep
    many(name, n, lambda: sleep(0))


def parked(name, n):
    # A Python function's frame is about as large as the 512 bytes that the rows in C put there.
    if not rows.room(name, n, 8):
        return
    n = rows.steps(n)
    gate = gevent.event.Event()
    arrived = 0

    def below_a_frame():
        nonlocal arrived
        arrived += 1
        gate.wait()

    def greenlet():
        below_a_frame()

    before = rows.memory_kb()
    for _ in range(n):
        gevent.spawn_raw(greenlet)
    while arrived < n:
        gevent.sleep(0)
    rows.say(name, (rows.memory_kb() - before) / n, "KB")


def sleepers(name, n):
    n = rows.steps(n)
    group = Group(n)

    def greenlet(i):
        for nap in rows.naps(i):
            gevent.sleep(nap)
        group.ended()

    before = time.process_time_ns()
    for i in range(n):
        gevent.spawn_raw(greenlet, i)
    group.wait()
    rows.say(name, (time.process_time_ns() - before) / 1e6, "ms")


def echo(name, connections, pair):
    trips = rows.Laps(1, 20000)
    group = Group(2 * connections)

    def answer(end):
        while True:
            data = end.recv(4096)
            if not data:
                break
            end.sendall(data)
        end.close()
        group.ended()

    def ask(end):
        while not trips.done:
            trips.next()
            end.sendall(rows.MESSAGE)
            if end.recv(len(rows.MESSAGE)) != rows.MESSAGE:
                raise ValueError("echo: wrong bytes")
        end.close()
        group.ended()

    for _ in range(connections):
        ends = [gevent.socket.socket(fileno=end.detach()) for end in pair()]
        gevent.spawn_raw(answer, ends[1])
        gevent.spawn_raw(ask, ends[0])
    group.wait()
    rows.say(name, trips.best(), "ns")


def echo_socketpair(name, n):
    import socket
    echo(name, n, socket.socketpair)


def echo_tcp(name, n):
    echo(name, n, rows.tcp_pair)


if __name__ == "__main__":
    rows.main([
        ("yield_2", yield_row, 2),
        ("yield_1000", yield_row, 1000),
        ("yield_10000", yield_row, 10000),
        ("spawn_join", spawn_join, 20000),
        ("spawn_queued_10000", spawn_queued, 10000),
        ("spawn_block_10000", spawn_block, 10000),
        ("parked_100000", parked, 100000),
        ("parked_1000000", parked, 1000000),
        ("sleepers_100000", sleepers, 100000),
        ("echo_socketpair", echo_socketpair, 1),
        ("echo_tcp_100", echo_tcp, 100),
    ])
