#include "loop/fds.h"

#include "base/alloc.h"
#include "base/sys.h"
#include "loop/loop.h"

_Atomic(struct fd_entry *) cress__fd_chunks[FD_CHUNKS];

/* Chunks are never given back: descriptors come again. From mmap, so that untouched entries cost
 * nothing. */
noinline struct fd_entry *fds_make(int fd)
{
    if ((unsigned)fd >= (unsigned)FD_CHUNK * FD_CHUNKS)
        return NULL;
    size_t size = FD_CHUNK * sizeof(struct fd_entry);
    struct fd_entry *chunk = sys_mmap(size, PROT_READ | PROT_WRITE, 0);
    if (chunk == NULL)
        return NULL;
    struct fd_entry *expected = NULL;
    if (!atomic_compare_exchange_strong(&cress__fd_chunks[fd >> FD_CHUNK_SHIFT], &expected, chunk))
        sys_munmap(chunk, size); /* another thread was first */
    return fds_find(fd);
}

static bool edge_triggered(const struct fd_entry *entry)
{
    return (entry->flags & (FD_OURS | FD_SHARED)) == FD_OURS;
}

static struct fd_wait *of_link(struct list *link)
{
    return container_of(link, struct fd_wait, link);
}

int fds_wanted(const struct fd_entry *entry)
{
    int events = 0;
    if (entry->waits.next != NULL)
        for (struct list *n = entry->waits.next; n != &entry->waits; n = n->next)
            events |= of_link(n)->events;
    return events;
}

/* (6): to the end of the line of those to be looked at, or out of it. */
static void line_up(cress_loop *loop, struct fd_entry *entry)
{
    list_remove(&entry->line);
    if (!(entry->flags & FD_OURS) && fds_wanted(entry) != 0)
        list_push(&loop->foreign, &entry->line);
}

int fds_wait(cress_loop *loop, int fd, struct fd_entry *entry, struct fd_wait *wait)
{
    int error = loop_refresh(loop);
    if (unlikely(error < 0))
        return error;
    cress_loop *owner = atomic_load_explicit(&entry->loop, memory_order_relaxed);
    if (unlikely(owner != loop)) {
        if (owner != NULL || !atomic_compare_exchange_strong(&entry->loop, &owner, loop))
            return -EXDEV;
        if (entry->waits.next == NULL)
            list_init(&entry->waits);
        entry->fd = fd;
    }
    error = wait->events != 0 ? loop->poller->want(loop, fd, entry, wait->events) : 0;
    if (unlikely(error < 0))
        return error;
    wait->entry = entry;
    list_push(&entry->waits, &wait->link);
    if (!(entry->flags & FD_OURS) && !list_linked(&entry->line))
        line_up(loop, entry);
    return 0;
}

void fds_unwait(cress_loop *loop, struct fd_wait *wait)
{
    if (!list_linked(&wait->link))
        return;
    struct fd_entry *entry = wait->entry;
    list_remove(&wait->link);
    if (list_empty(&entry->waits))
        list_remove(&entry->line);
    loop->poller->unwant(loop, entry->fd, entry);
}

void fds_event(cress_loop *loop, int fd, uint32_t generation, int events)
{
    struct fd_entry *entry = fds_find(fd);
    if (entry == NULL || entry->generation != generation ||
        atomic_load_explicit(&entry->loop, memory_order_relaxed) != loop)
        return; /* (2) */
    loop->events++;
    if (events & ~CRESS_OUT)
        entry->flags &= (uint8_t)~FD_EMPTY;
    if (events & ~(CRESS_IN | CRESS_OUT))
        entry->flags |= FD_ODD;
    int always = CRESS_ERR | CRESS_HUP | CRESS_NVAL;
    for (struct list *n = entry->waits.next, *next; n != &entry->waits; n = next) {
        next = n->next; /* `ready` makes things ready, it runs none of them */
        struct fd_wait *wait = of_link(n);
        if (!(events & (wait->events | always)))
            continue;
        if (!wait->persistent)
            list_remove(&wait->link);
        wait->ready(wait, events);
    }
    if (edge_triggered(entry))
        return;
    list_remove(&entry->line);
    if (!list_empty(&entry->waits))
        list_push(&loop->again, &entry->line);
}

/* Tell all who wait that the descriptor is gone. */
static void expel(struct fd_entry *entry)
{
    list_remove(&entry->line);
    while (entry->waits.next != NULL && !list_empty(&entry->waits)) {
        struct fd_wait *wait = of_link(entry->waits.next);
        list_remove(&wait->link);
        wait->ready(wait, -EBADF);
    }
    entry->flags &= (uint8_t) ~(FD_READING | FD_WRITING);
}

void fds_replaced(struct fd_entry *entry)
{
    entry->generation++;
    expel(entry);
}

void fds_confirm(cress_loop *loop, struct fd_entry *entry)
{
    if (edge_triggered(entry) || fds_wanted(entry) == 0)
        return;
    if (loop->poller->want(loop, entry->fd, entry, 0) < 0)
        fds_replaced(entry);
    line_up(loop, entry);
}

void fds_rearm(cress_loop *loop)
{
    struct list *node;
    while ((node = list_pop(&loop->again)) != NULL)
        fds_confirm(loop, container_of(node, struct fd_entry, line));
}

void fds_check(cress_loop *loop)
{
    if (list_empty(&loop->foreign) || loop->timers.now - loop->checked < FDS_CHECK_EVERY)
        return;
    loop->checked = loop->timers.now;
    const struct list *last = loop->foreign.prev; /* who is still there goes behind it */
    struct list *node;
    for (int n = 0; n < FDS_CHECK_MOST && (node = list_pop(&loop->foreign)) != NULL; n++) {
        fds_confirm(loop, container_of(node, struct fd_entry, line));
        if (node == last)
            break;
    }
}

/* Whose an entry is does not depend on who waits now: it stays until it is closed. What another
 * loop left behind, closed without telling us, may be taken over once nobody waits there. */
static int take(struct fd_entry *entry, cress_loop *loop)
{
    loops_refresh();
    cress_loop *owner = atomic_load(&entry->loop);
    if (owner == NULL || owner == loop)
        return 0;
    return loop_mine(owner) || list_empty(&entry->waits) ? 0 : -EXDEV;
}

static void reset(struct fd_entry *entry, unsigned flags)
{
    cress__free(entry->timeouts);
    entry->timeouts = NULL;
    entry->generation++;
    entry->flags = (uint8_t)flags;
    entry->poller_state = 0;
    atomic_store(&entry->loop, NULL);
}

int fds_adopt(int fd, unsigned flags)
{
    struct fd_entry *entry = fds_entry(fd);
    if (entry == NULL)
        return -ENOMEM;
    int error = take(entry, NULL);
    if (error < 0)
        return error;
    cress_loop *owner = atomic_load(&entry->loop);
    if (owner != NULL && loop_mine(owner))
        expel(entry);
    reset(entry, FD_OURS | flags);
    entry->fd = fd;
    return 0;
}

int fds_forget(struct fd_entry *entry)
{
    loops_refresh();
    cress_loop *owner = atomic_load(&entry->loop);
    if (owner != NULL) {
        if (!loop_mine(owner))
            return -EXDEV;
        expel(entry); /* (5) */
        /* In a child that has not used its loop it is the parent's poller that knows the entry. */
        if (owner->born == cress__forks)
            owner->poller->forget(owner, entry->fd, entry);
    }
    reset(entry, 0);
    return 0;
}

int fds_set_timeout(int fd, int directions, cress_time timeout)
{
    struct fd_entry *entry = fds_entry(fd);
    if (entry == NULL)
        return -ENOMEM;
    loops_refresh();
    cress_loop *owner = atomic_load(&entry->loop);
    if (owner != NULL && !loop_mine(owner))
        return -EXDEV;
    if (entry->timeouts == NULL) {
        if ((entry->timeouts = cress__malloc(sizeof *entry->timeouts)) == NULL)
            return -ENOMEM;
        *entry->timeouts = (struct fd_timeouts){ CRESS_FOREVER, CRESS_FOREVER };
    }
    if (directions & CRESS_IN)
        entry->timeouts->read = timeout;
    if (directions & CRESS_OUT)
        entry->timeouts->write = timeout;
    if (entry->timeouts->read == CRESS_FOREVER && entry->timeouts->write == CRESS_FOREVER) {
        cress__free(entry->timeouts);
        entry->timeouts = NULL;
    }
    return 0;
}

/* Call fn with each entry that belongs to the loop. */
static void each_of(const cress_loop *loop, void (*fn)(struct fd_entry *entry))
{
    for (int i = 0; i < FD_CHUNKS; i++) {
        struct fd_entry *chunk = atomic_load(&cress__fd_chunks[i]);
        for (int j = 0; chunk != NULL && j < FD_CHUNK; j++)
            if (atomic_load_explicit(&chunk[j].loop, memory_order_relaxed) == loop)
                fn(&chunk[j]);
    }
}

/* What was seen is forgotten, what it is stays. */
static void disown(struct fd_entry *entry)
{
    expel(entry);
    entry->generation++;
    entry->flags &= FD_OURS | FD_TCP;
    entry->poller_state = 0;
    atomic_store(&entry->loop, NULL);
}

void fds_disown(cress_loop *loop)
{
    each_of(loop, disown);
}

static void bury(struct fd_entry *entry)
{
    list_init(&entry->waits); /* their memory is no longer anybody's */
    list_init(&entry->line);
    disown(entry);
}

void fds_bury(const cress_loop *loop)
{
    each_of(loop, bury);
}

/* Nobody is linked while it is asked for: the poller may well say that the file is new to it. */
static void ask_anew(struct fd_entry *entry)
{
    cress_loop *loop = atomic_load_explicit(&entry->loop, memory_order_relaxed);
    int wanted = fds_wanted(entry);
    entry->poller_state = 0;
    entry->flags &= (uint8_t) ~(FD_KNOWN | FD_EMPTY);
    if (wanted == 0)
        return;
    struct list waits;
    list_init(&waits);
    list_splice(&waits, &entry->waits);
    int error = loop->poller->want(loop, entry->fd, entry, wanted);
    list_splice(&entry->waits, &waits);
    if (error < 0)
        fds_replaced(entry);
}

void fds_after_fork(cress_loop *loop)
{
    each_of(loop, ask_anew);
}
