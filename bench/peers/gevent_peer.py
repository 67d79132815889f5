#!/usr/bin/python3
"""gevent: what cress is called after in C. Greenlets whose stacks are copied when they switch.

sleep(0) is its yield. Where no handle is needed spawn_raw is used, as cress_go is there.
"""

import time

import gevent
import gevent.event
import gevent.hub
import gevent.lock
import gevent.pool
import gevent.queue
import gevent.socket
import gevent.threadpool
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


def repeat(name, n, measure):
    n = rows.steps(n)
    values = []
    for r in range(-1, rows.REPEATS):
        begun = time.monotonic_ns()
        measure(n)
        if r >= 0:
            values.append((time.monotonic_ns() - begun) / n)
    rows.say(name, min(values), "ns")


def sem_pingpong(name, n):
    def round_trips(n):
        turns = gevent.lock.Semaphore(1), gevent.lock.Semaphore(0)

        def play(i):
            for _ in range(n):
                turns[i].acquire()
                turns[1 - i].release()
        gevent.joinall([gevent.spawn(play, i) for i in range(2)])
    repeat(name, n, round_trips)


def free(lock):
    def take_give(n):
        for _ in range(n):
            lock.acquire()
            lock.release()
    return take_give


def sem_free(name, n):
    repeat(name, n, free(gevent.lock.Semaphore(1)))


def mutex_free(name, n):
    repeat(name, n, free(gevent.lock.RLock()))


def mutex_handoff(name, n):
    def hand_over(n):
        lock = gevent.lock.RLock()

        def locks():
            for _ in range(n // 2):
                with lock:
                    gevent.sleep(0)
        gevent.joinall([gevent.spawn(locks) for _ in range(2)])
    repeat(name, n, hand_over)


def through(new, producers):
    def items(n):
        q = new()

        def puts():
            for i in range(n // producers):
                q.put(i)
        for _ in range(producers):
            gevent.spawn_raw(puts)
        for _ in range(n - n % producers):
            q.get()
    return items


def chan_unbuffered(name, n):
    repeat(name, n, through(gevent.queue.Channel, 1))


def queue_1(name, n):
    repeat(name, n, through(lambda: gevent.queue.Queue(100), 1))


def queue_100(name, n):
    repeat(name, n, through(lambda: gevent.queue.Queue(100), 100))


def event_10000(name, n):
    values = []
    n = rows.steps(n)
    for r in range(-1, rows.REPEATS):
        event, group = gevent.event.Event(), Group(n)

        def waits():
            event.wait()
            group.ended()
        for _ in range(n):
            gevent.spawn_raw(waits)
        gevent.sleep(0)
        begun = time.monotonic_ns()
        event.set()
        group.wait()
        if r >= 0:
            values.append((time.monotonic_ns() - begun) / n)
    rows.say(name, min(values), "ns")


def pool_map(name, n):
    def same(i):
        gevent.sleep(0)
        return i
    repeat(name, n, lambda n: gevent.pool.Pool(100).map(same, range(n)))


def work(i=None):
    return i


def offload_row(cores, at_once):
    def row(name, n):
        rows.cores(cores)
        pool = gevent.get_hub().threadpool
        left = 0

        def calls(n):
            nonlocal left
            left = n

            def offloads():
                nonlocal left
                while left > 0:
                    left -= 1
                    pool.apply(work)
            gevent.joinall([gevent.spawn(offloads) for _ in range(at_once)])
        repeat(name, n, calls)
    return row


def threadpool_map(name, n):
    pool = gevent.threadpool.ThreadPool(10)
    repeat(name, n, lambda n: pool.map(work, range(n)))


if __name__ == "__main__":
    rows.main([
        ("yield_2", yield_row, 2),
        ("yield_1000", yield_row, 1000),
        ("yield_10000", yield_row, 10000),
        ("spawn_join", spawn_join, 20000),
        ("spawn_queued_10000", spawn_queued, 10000),
        ("spawn_block_10000", spawn_block, 10000),
        ("sem_pingpong", sem_pingpong, 20000),
        ("sem_free", sem_free, 500000),
        ("mutex_free", mutex_free, 500000),
        ("mutex_handoff", mutex_handoff, 20000),
        ("chan_unbuffered", chan_unbuffered, 20000),
        ("queue_1", queue_1, 50000),
        ("queue_100", queue_100, 50000),
        ("event_10000", event_10000, 10000),
        ("pool_map", pool_map, 10000),
        ("offload", offload_row(1, 1), 10000),
        ("offload_two_cores", offload_row(2, 1), 5000),
        ("offload_100", offload_row(1, 100), 10000),
        ("offload_100_two_cores", offload_row(2, 100), 10000),
        ("threadpool_map", threadpool_map, 5000),
        ("parked_100000", parked, 100000),
        ("parked_1000000", parked, 1000000),
        ("sleepers_100000", sleepers, 100000),
        ("echo_socketpair", echo_socketpair, 1),
        ("echo_tcp_100", echo_tcp, 100),
    ])
