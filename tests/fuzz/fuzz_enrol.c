/* fuzz_enrol.c - what comes to the enrolment listener: requests and answers in PEM, tokens. */
#include "aggregator/enrol.h"
#include "aggregator/pki.h"
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct err err = { 0 }, other = { 0 }, third = { 0 };
	struct peer who;
	uint8_t hash[HASH];
	char org[ORG_TEXT];
	if (!ready)
		demand(keys_init());
	ready = true;
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	bool good = pki_request_org(text, org, &err);
	demand(good != err.set);
	if (good)
		demand(strlen(org) == 32 && strspn(org, "0123456789abcdef") == 32);
	good = pki_read_cert(data, size, &who, &other);
	demand(good != other.set);
	if (good)
		demand(strlen(who.org) < ORG_TEXT && strlen(who.key.kid) == 16);
	pki_pem_hash(text, hash, &third);
	struct err none = { 0 };
	demand(token_use("/nonexistent", text, text, &who, &none) == NULL && none.set);
	free(text);
	return 0;
}
