/* sighting.c - what an alert says, in the words that frames know. */
#include "aggregator/sighting.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/keys.h"

static const char *word(const char *text, const char *const *words, const char *otherwise)
{
	for (; text != NULL && *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return *words;
	return otherwise;
}

static const char *const verbs[] = {
#define VERB(word, changes) #word,
#include "common/verbs.def"
#undef VERB
	NULL
};
static const char *const verdicts[] = { "accepted", "rejected", "unanswered", "no_reply_by_spec",
	"unobserved", "orphan_reply", NULL };

/* What sites call their roles, and what they leave as. */
static const char *role(const char *label)
{
	static const char *const known[][2] = { { "engineering", "engineering" },
		{ "eng", "engineering" }, { "ews", "engineering" }, { "hmi", "hmi" },
		{ "operator", "hmi" }, { "scada", "scada" }, { "master", "master" },
		{ "masters", "master" }, { "historian", "historian" }, { "server", "server" },
		{ "plc", "plc" }, { "controller", "plc" }, { "controllers", "plc" },
		{ "rtu", "rtu" }, { "outstation", "rtu" }, { "ied", "ied" }, { "relay", "ied" },
		{ "gateway", "gateway" }, { "remote", "remote" } };
	for (size_t i = 0; label != NULL && i < sizeof known / sizeof known[0]; i++)
		if (strcmp(label, known[i][0]) == 0)
			return known[i][1];
	return NULL;
}

/* Classes of rules, and the word of the frames that comes nearest. */
static const char *category(const char *class)
{
	static const char *const known[][2] = { { "ics-command", "ics-command" },
		{ "ics-response", "ics-response" },
		{ "protocol-command-decode", "protocol-command-decode" },
		{ "attempted-dos", "attempted-dos" }, { "attempted-recon", "attempted-recon" },
		{ "attempted-user", "attempted-user" }, { "policy-violation", "policy-violation" },
		{ "ics-sequence", "ics-command" }, { "ics-burst", "ics-command" },
		{ "ics-program", "ics-command" }, { "ics-process", "ics-command" },
		{ "ics-view", "ics-response" }, { "ics-sweep", "attempted-recon" },
		{ "network-scan", "attempted-recon" }, { "office-scan", "attempted-recon" },
		{ "malware-spread", "attempted-user" }, { "office-exploit", "attempted-user" },
		{ "office-execution", "attempted-user" }, { "office-guess", "attempted-user" },
		{ "office-transfer", "attempted-user" },
		{ "command-and-control", "attempted-user" },
		{ "office-indicator", "attempted-user" }, { "denial-of-service", "attempted-dos" },
		{ "ics-baseline", "policy-violation" }, { "ics-asset", "policy-violation" },
		{ "ics-network", "policy-violation" }, { "network-misuse", "policy-violation" },
		{ "office-contact", "policy-violation" }, { "hidden-channel", "policy-violation" },
		{ "office-tunnel", "policy-violation" } };
	for (size_t i = 0; class != NULL && i < sizeof known / sizeof known[0]; i++)
		if (strcmp(class, known[i][0]) == 0)
			return known[i][1];
	return "other";
}

bool sighting_is_external(const char *a)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (a != NULL && inet_pton(AF_INET, a, &v4) == 1) {
		uint32_t n = ntohl(v4.s_addr);
		return !(n >> 24 == 10 || n >> 20 == 0xac1 || n >> 16 == 0xc0a8 || n >> 24 == 127 ||
			 n >> 16 == 0xa9fe || n >> 22 == 0x191 /* 100.64/10 */ || n >> 28 >= 0xe ||
			 n >> 24 == 0);
	}
	if (a == NULL || inet_pton(AF_INET6, a, &v6) != 1)
		return false;
	return (v6.s6_addr[0] & 0xe0) == 0x20; /* global unicast */
}

static const char *role_of(const char *label, const char *address)
{
	const char *r = role(label);
	return r != NULL ? r : sighting_is_external(address) ? "external" : "other";
}

/* "L2", "level 2", "2": a Purdue level; any other name of a zone stays at home. */
static void zone_of(const char *label, char out[5])
{
	const char *at = label == NULL ? "" : label;
	if (strncmp(at, "level", 5) == 0)
		at += 5;
	at += *at == 'L';
	at += *at == ' ' || *at == '-';
	bool half = *at != '\0' && strcmp(at + 1, ".5") == 0;
	if (*at >= '0' && *at <= '5' && (at[1] == '\0' || half))
		snprintf(out, 5, "L%c%s", *at, half ? ".5" : "");
	else
		snprintf(out, 5, "?");
}

static bool is_technique(const char *t)
{
	size_t n = t == NULL ? 0 : strlen(t);
	return (n == 5 || (n == 9 && t[5] == '.')) && t[0] == 'T' &&
	       strspn(t + 1, "0123456789") == 4 && (n == 5 || strspn(t + 6, "0123456789") == 3);
}

static const char *technique_of(const json_t *alert)
{
	const json_t *ids =
		json_object_get(json_object_get(alert, "metadata"), "mitre_technique_id");
	const char *first = json_string_value(json_array_get(ids, 0));
	return is_technique(first) ? first : "";
}

static void keys_of(
	struct sighting *s, const char *id, const char *proto, const uint8_t site_key[32])
{
	char text[512];
	uint8_t h[HASH];
	int n = snprintf(text, sizeof text, "%s|%s|%s|%d|%d", id, proto == NULL ? "" : proto,
		s->roles, sighting_is_external(s->src), sighting_is_external(s->dst));
	hmac_of(site_key, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, h);
	hex_write(s->k, h, 16);
	n = snprintf(text, sizeof text, "%s|%s|", s->rule, s->tech);
	hash_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, h);
	hex_write(s->sk, h, 16);
}

/* What was asked of no device (an observation, a message without a transaction) has no verdict, and
 * none will follow. */
static const char *verdict_of(const json_t *eve, const json_t *bongsu)
{
	const char *outcome = json_text_of(json_object_get(bongsu, "verdict"), "outcome");
	if (outcome == NULL && json_object_get(eve, "tx_id") == NULL)
		return NULL;
	return word(outcome, verdicts, "pending");
}

static int64_t bounded(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

bool sighting_read(struct sighting *s, const json_t *eve, const uint8_t site_key[32],
	const struct shared_rules *shared, const char **id)
{
	const json_t *bongsu = json_object_get(eve, "bongsu"),
		     *alert = json_object_get(eve, "alert");
	char from[5], to[5];
	*id = json_text_of(bongsu, "rule");
	if (*id == NULL || strlen(*id) > 64)
		return false;
	*s = (struct sighting){ .src = json_text_of(eve, "src_ip"),
		.dst = json_text_of(eve, "dest_ip") };
	s->rule = shared_rules_has(shared, *id) ? *id : "local";
	s->rev = bounded(json_int_of(bongsu, "rule_rev", 0), 0, 1000000);
	s->verb = word(json_text_of(bongsu, "verb"), verbs, "none");
	s->verdict = verdict_of(eve, bongsu);
	s->cat = category(json_text_of(alert, "category"));
	s->tech = technique_of(alert);
	s->sev = bounded(json_int_of(alert != NULL ? alert : bongsu, "severity", 4), 1, 4);
	s->conf = bounded(json_int_of(bongsu, "confidence", 50), 0, 100);
	s->count = bounded(json_int_of(bongsu, "count", 1), 1, 1000000000);
	s->at_s = bounded(json_int_of(bongsu, "ts_ns", 0) / 1000000000, 0, 4102444800);
	s->changes = json_is_true(json_object_get(bongsu, "changes_state"));
	s->evidence = json_object_get(bongsu, "evidence") != NULL;
	snprintf(s->roles, sizeof s->roles, "%s>%s",
		role_of(json_text_of(bongsu, "src_role"), s->src),
		role_of(json_text_of(bongsu, "dst_role"), s->dst));
	zone_of(json_text_of(bongsu, "src_zone"), from);
	zone_of(json_text_of(bongsu, "dst_zone"), to);
	snprintf(s->zones, sizeof s->zones, "%s>%s", from, to);
	keys_of(s, *id, json_text_of(eve, "app_proto"), site_key);
	return true;
}
