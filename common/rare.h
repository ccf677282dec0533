/* rare.h - for functions that few messages or packets need, called where each passes by: the
 * compiler keeps them, and the registers they want saved, out of the way of the others. */
#ifndef COMMON_RARE_H
#define COMMON_RARE_H

#define RARE __attribute__((cold, noinline))

#endif
