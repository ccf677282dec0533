/* scan_contact.c - which contacts are new, and what becomes of them. */
#include "sensor/scan.h"

#include <stdlib.h>

#include "sensor/limiter.h"

#define MS INT64_C(1000000)

enum { ROW = 8 };

bool contacts_open(struct scan *s)
{
	const struct config *c = s->watch->config;
	s->rows = (c->scan_contacts + ROW - 1) / ROW;
	s->ring_size = c->scan_waiting;
	s->contacts = calloc(s->rows * ROW, sizeof *s->contacts);
	s->ring = calloc(s->ring_size, sizeof *s->ring);
	s->first = s->next = 1;
	return s->contacts != NULL && s->ring != NULL;
}

void contacts_close(struct scan *s)
{
	free(s->contacts);
	free(s->ring);
}

static uint64_t key_of(const struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how)
{
	uint64_t key = key_mix(s->watch->seed + 1, (uint64_t)how << 16 | dst->port);
	key = key_mix_bytes(key, src->ip.bytes, sizeof src->ip.bytes);
	key = key_mix_bytes(key, dst->ip.bytes, sizeof dst->ip.bytes);
	return key_end(key) | 1;
}

static struct scan_contact *row_of(const struct scan *s, uint64_t key)
{
	return &s->contacts[(key >> 8) % s->rows * ROW];
}

static struct scan_contact *contact_find(const struct scan *s, uint64_t key)
{
	struct scan_contact *row = row_of(s, key);
	for (unsigned i = 0; i < ROW; i++)
		if (row[i].key == key)
			return &row[i];
	return NULL;
}

/* Finds the contact, or puts it in the place of the one unused for longest. */
static struct scan_contact *contact_of(struct scan *s, uint64_t key, uint32_t now_s, bool *fresh)
{
	struct scan_contact *c = contact_find(s, key);
	*fresh = c == NULL;
	if (c == NULL) {
		struct scan_contact *row = row_of(s, key);
		c = row;
		for (unsigned i = 1; i < ROW && c->key != 0; i++)
			if (row[i].key == 0 || row[i].seen_s < c->seen_s)
				c = &row[i];
		*c = (struct scan_contact){ .key = key };
	}
	c->seen_s = now_s;
	return c;
}

static uint32_t seconds(int64_t ns)
{
	return (uint32_t)(ns / (1000 * MS));
}

void contact_known(
	struct scan *s, const struct endpoint *src, const struct endpoint *dst, enum scan_how how)
{
	bool fresh;
	(void)contact_of(s, key_of(s, src, dst, how), seconds(s->now_ns), &fresh);
}

static void settle(
	struct scan *s, struct scan_attempt *a, enum scan_outcome outcome, struct stamp at)
{
	a->contact = 0;
	tally_outcome(s, a, outcome, at);
}

/* No answer in time: a failure where answers can be seen. Nothing has to answer a datagram. */
static void time_out(struct scan *s, struct scan_attempt *a, struct stamp now)
{
	bool seen = a->how != BY_UDP && s->two_way[a->how == BY_ARP] && now.ts_ns > a->at_ns;
	if (a->contact != 0)
		settle(s, a, seen ? OUTCOME_SILENT : OUTCOME_UNKNOWN, now);
}

void contacts_expire(struct scan *s, struct stamp now)
{
	for (; s->first != s->next; s->first++) {
		struct scan_attempt *a = &s->ring[s->first % s->ring_size];
		int64_t since = (int64_t)((uint64_t)now.ts_ns - (uint64_t)a->at_ns);
		if (a->contact != 0 && since < s->answer_ns && since > -s->answer_ns)
			break;
		time_out(s, a, now);
	}
}

bool contact_made(struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how, bool bare, struct stamp at)
{
	bool fresh;
	uint64_t key = key_of(s, src, dst, how);
	struct scan_contact *c = contact_of(s, key, seconds(at.ts_ns), &fresh);
	if (!fresh)
		return false;
	if (s->next - s->first == s->ring_size) { /* too many at once: these wait less */
		s->watch->counters->scan_hurried++;
		time_out(s, &s->ring[s->first++ % s->ring_size], at);
	}
	c->attempt = (uint32_t)(s->next % s->ring_size) & INT32_MAX;
	struct scan_attempt *a = &s->ring[s->next++ % s->ring_size];
	*a = (struct scan_attempt){ key, at.ts_ns, at.frame, *src, *dst, (uint8_t)how, bare };
	tally_tried(s, a, at);
	return true;
}

void contact_settled(struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how, enum scan_outcome outcome, struct stamp at)
{
	uint64_t key = key_of(s, src, dst, how);
	const struct scan_contact *c = contact_find(s, key);
	if (c != NULL && s->ring[c->attempt].contact == key)
		settle(s, &s->ring[c->attempt], outcome, at);
}

void contact_spoken(
	struct scan *s, const struct endpoint *src, const struct endpoint *dst, enum scan_how how)
{
	struct scan_contact *c = contact_find(s, key_of(s, src, dst, how));
	if (c != NULL)
		c->spoken = 1;
}

bool contact_is_spoken(const struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how)
{
	const struct scan_contact *c = contact_find(s, key_of(s, src, dst, how));
	return c == NULL || c->spoken;
}
