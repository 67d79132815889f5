/* outside - what other threads may do to a hub, and what they do for it.
 *
 * A hub belongs to its thread. All that another thread may do is send it a notice, and only while
 * it has not ended; that is a door, which the end of the hub shuts.
 *
 *     shut -> open       [outside_open: the hub has been made]
 *     open -> ajar       [outside_end_begins: new work is refused; answers and kills come in]
 *     ajar -> shut       [outside_shut, when its greenlets had their grace: all are refused]
 *     shut -> gone       [outside_end, when nobody stands in the door any more]
 *
 * What another thread is to do for this one is an errand. It counts like a wait for a descriptor:
 * something will come.
 *
 *     errand_begin  under way             errand_done  by the other thread: it is done
 *     errand_end    taken back, or over
 *
 * (1) Who is to send something first enters the door, and then asks how far it is open; the end
 *     first says so, and then waits until nobody is in it. So each sees the other.
 * (2) The memory of a hub stays as long as somebody keeps it, so that a handle which outlives the
 *     hub can be refused by it. A bare pointer is looked for among the living.
 * (3) An errand that lends memory of a greenlet to the other thread comes back before the hub ends:
 *     that waits for it. All others may come too late, which errand_done() says.
 * (4) In a child process nobody stands in the door, and no errand comes back.
 */
#ifndef CRESS_HUB_OUTSIDE_H
#define CRESS_HUB_OUTSIDE_H

#include "base/list.h"
#include "loop/notice.h"

#include <stdatomic.h>

struct cress_hub;

enum door { DOOR_SHUT, DOOR_AJAR, DOOR_OPEN };

/* Of each hub. */
struct outside {
    struct list errands;   /* under way; of the hub's thread */
    char apart[64];        /* the rest is for all */
    atomic_size_t kept;    /* see (2); one for the hub itself */
    atomic_size_t in_door; /* see (1) */
    atomic_int door;       /* enum door */
};

struct errand {
    struct notice notice;
    struct list node;      /* in outside.errands; linked exactly while it is under way */
    struct cress_hub *hub; /* of whoever began it */
    bool counted;          /* in loop.refs */
    bool lent;             /* see (3) */
    /* It has come back. In the hub's thread: wakes, and runs nothing of the user's. */
    void (*back)(struct errand *errand);
    /* It will not: in_child; or the hub ends, and it is not lent. */
    void (*lost)(struct errand *errand, bool in_child);
};

/* Before other threads can find the hub. It is shut until the hub has been made. */
void outside_init(struct outside *outside);
void outside_open(struct outside *outside);

/* Enter the door of a hub that somebody keeps, or that is known to live. 0, and to be left again;
 * -EOWNERDEAD. */
int outside_enter(struct cress_hub *hub);
void outside_leave(struct cress_hub *hub);

/* The same with new work, for a pointer that may be that of a hub which has ended or ends. */
int outside_find(struct cress_hub *hub);

/* Keep the memory of a hub, or no more. */
void hub_keep(struct cress_hub *hub);
void hub_unkeep(struct cress_hub *hub);

/* Whether it has ended. Of one that is kept, any thread. */
bool hub_has_ended(const struct cress_hub *hub);

/* Begin one that has `back` and `lost` set, and `lent` if it is. counted: it keeps cress_run()
 * going. */
void errand_begin(struct errand *errand, struct cress_hub *hub, bool counted);

/* In the hub's thread: it is not under way any more, and nobody will say that it is done. */
void errand_end(struct errand *errand);

/* In the other thread, the last that it does with it: tell its hub. false: that has ended, and the
 * errand is the caller's. */
bool errand_done(struct errand *errand);

/* The hub ends. First new work is refused; then nobody is let in any more. Both take what was sent
 * before. */
void outside_end_begins(struct cress_hub *hub);
void outside_shut(struct cress_hub *hub);
/* Then, when all its greenlets are gone, what was lent is waited for, and the rest is lost. */
void outside_end(struct cress_hub *hub);

/* In a child process, before and after its greenlets are dropped. */
void outside_after_fork(struct cress_hub *hub);
void outside_lose_errands(struct cress_hub *hub, bool in_child);

#endif
