/* oui.h - who made a network card: the first half of its address, as the IEEE registers them. */
#ifndef SENSOR_OUI_H
#define SENSOR_OUI_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct oui;

/* From the text of oui.txt of the IEEE ("080006     (base 16)\t\tSIEMENS AG"): other lines are
 * passed over, what goes beyond OUI_MAX makers or OUI_NAMES bytes of names is left out. */
enum { OUI_MAX = 131072, OUI_NAMES = 8 * 1024 * 1024, OUI_NAME = 60 };
struct oui *oui_parse(const char *text, size_t len);
/* NULL and @err if the file cannot be read. */
struct oui *oui_load(const char *path, struct err *err);
void oui_free(struct oui *o);
/* NULL: not known, or no address that a maker gave. @o may be NULL. */
const char *oui_name(const struct oui *o, const uint8_t mac[6]);
size_t oui_count(const struct oui *o);

#endif
