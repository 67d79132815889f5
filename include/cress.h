/** @file cress.h
 * All of cress in one include.
 *
 * The subjects, in the order in which they build on each other:
 *
 *     cress/base.h      version, time, errors
 *     cress/coro.h      raw coroutines: switch to any target, pass a value
 *     cress/loop.h      the event loop and its watchers, usable without greenlets
 *     cress/hub.h       the hub: ready queue, callbacks, errors, embedding
 *     cress/greenlet.h  spawn, join, get, kill, link, sleep
 *     cress/scope.h     timeouts, shields, cancellation
 *     cress/waiter.h    park and unpark, the one-shot waiter
 *     cress/wait.h      waiting for several things at once
 *     cress/sync.h      events, results, semaphores, locks
 *     cress/queue.h     queues
 *     cress/chan.h      channels
 *     cress/group.h     groups and pools of greenlets
 *     cress/key.h       greenlet-local values
 *     cress/offload.h   blocking calls in another thread
 *     cress/threadpool.h  pools of threads
 *     cress/io.h        read, write, accept, ... on plain file descriptors
 *     cress/net.h       addresses, dial, listen
 *     cress/server.h    a server that runs a greenlet for each connection
 *
 * How to read the reference. Each function says whether it can *switch*, that is, whether another
 * greenlet may run before it returns; whether it is a *cancellation point* (see cress/scope.h);
 * who owns what; every error; and from which threads it may be called. "The hub's thread" means
 * the thread on which the hub of the object runs; from any other one the call gives -EXDEV.
 */
#ifndef CRESS_H
#define CRESS_H

#include <cress/base.h>
#include <cress/chan.h>
#include <cress/coro.h>
#include <cress/greenlet.h>
#include <cress/group.h>
#include <cress/hub.h>
#include <cress/io.h>
#include <cress/key.h>
#include <cress/loop.h>
#include <cress/net.h>
#include <cress/offload.h>
#include <cress/queue.h>
#include <cress/scope.h>
#include <cress/server.h>
#include <cress/sync.h>
#include <cress/threadpool.h>
#include <cress/wait.h>
#include <cress/waiter.h>

#endif
