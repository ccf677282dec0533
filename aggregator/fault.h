/* fault.h - points at which a test kills the process: FAULT("link.sequenced") does nothing unless
 * built with -DBONGSU_FAULTS and BONGSU_FAULT names it ("link.sequenced" or "link.sequenced:3", the
 * third time). */
#ifndef AGGREGATOR_FAULT_H
#define AGGREGATOR_FAULT_H

#ifdef BONGSU_FAULTS
void fault_here(const char *name);
#define FAULT(name) fault_here(name)
#else
#define FAULT(name) ((void)0)
#endif

#endif
