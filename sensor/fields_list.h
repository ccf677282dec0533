/* fields_list.h - --list-fields and --list-protocols. */
#ifndef SENSOR_FIELDS_LIST_H
#define SENSOR_FIELDS_LIST_H

#include <stdio.h>

/* Every field a rule may name: name, type, unit, sentence; the names of codes below it. */
void fields_list(FILE *out);
/* Every protocol with its ports and number of fields. */
void protocols_list(FILE *out);

#endif
