/* rare.h - where the compiler puts a function: a way that nearly everything goes stays short, and
 * saves no registers for what is seldom. */
#ifndef DISSECTORS_RARE_H
#define DISSECTORS_RARE_H

/* Few messages or packets need it; it is called where each passes by. */
#define RARE __attribute__((cold, noinline))
/* Some need it: out of the way, but not far. */
#define APART __attribute__((noinline))
/* Nearly each runs through it, once: it lies in its caller. */
#define WITHIN __attribute__((always_inline)) inline

#endif
