/* sweep - let every call that can fail, fail once.
 *
 * Every system call and allocation of the library passes base/fault.h's hook. The sweep runs a
 * scenario again and again in child processes; in the n-th run the n-th such point fails, until a
 * run meets no fault. Every child must
 *
 *  (1) end by itself within the limit and not crash,
 *  (2) close every fd it opened,
 *  (3) free every block it allocated.
 *
 * A scenario therefore ends with nothing of cress alive (cress_hub_destroy). What it may expect of
 * a call depends on whether something failed: CHECK(result == 0 || sweep_met_fault()). Before the
 * sweep one run without faults must be clean, and meet at least one point.
 *
 *     static void one_greenlet(void) { ... }
 *     int main(void)
 *     {
 *         return FAULT_SWEEP(one_greenlet);
 *     }
 */
#ifndef SUPPORT_SWEEP_H
#define SUPPORT_SWEEP_H

#include <stdbool.h>

#define FAULT_SWEEP(scenario) fault_sweep(#scenario, scenario)

/** Fail each point of the scenario once; prints how many there were.
 *
 * @return 0, or the number of points whose failure had a wrong outcome (each one told on stderr)
 */
int fault_sweep(const char *name, void (*scenario)(void));

/** The same with two points in a row failing, n and n + 1, counting only points so named.
 *
 * @param points  names as the hook gets them ("mmap", "epoll_ctl"), NULL at the end; NULL: all
 */
int fault_sweep_pairs(const char *name, void (*scenario)(void), const char *const *points);

/** Milliseconds that each run may take. */
extern int sweep_limit_ms;

/** In a scenario: has a point been failed in this run? */
bool sweep_met_fault(void);

#endif
