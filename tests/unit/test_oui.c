/* test_oui.c - the makers of network cards, as the IEEE lists them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sensor/oui.h"

static const char list[] = "OUI/MA-L                 Organization  \r\n"
			   "\r\n"
			   "08-00-06   (hex)\t\tSIEMENS AG\r\n"
			   "080006     (base 16)\t\tSIEMENS AG\r\n"
			   "\t\t\t\tSiemens IT Solutions\r\n"
			   "0080F4     (base 16)\t\tTELEMECANIQUE ELECTRIQUE\n"
			   "080006     (base 16)\t\tanother\n"
			   "00000      (base 16)\t\tfive digits\n"
			   "00AA00     (base 16)\t\t   \n"
			   "00bb00 (base 16)\tlower";

static const char *name(const struct oui *o, unsigned a, unsigned b, unsigned c)
{
	const uint8_t mac[6] = { (uint8_t)a, (uint8_t)b, (uint8_t)c, 1, 2, 3 };
	return oui_name(o, mac);
}

static void finds_makers(void **state)
{
	(void)state;
	struct oui *o = oui_parse(list, sizeof list - 1);
	assert_int_equal(oui_count(o), 3);
	assert_string_equal(name(o, 8, 0, 6), "SIEMENS AG");
	assert_string_equal(name(o, 0, 0x80, 0xf4), "TELEMECANIQUE ELECTRIQUE");
	assert_string_equal(name(o, 0, 0xbb, 0), "lower");
	assert_null(name(o, 0, 0xaa, 0));
	assert_null(name(o, 0x0a, 0, 6)); /* given locally */
	assert_null(name(NULL, 8, 0, 6));
	oui_free(o);
}

/* Each cut lives in a block of its own size, so that the sanitizer sees a read one byte too far. */
static void any_cut_is_read(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof list; n++) {
		char *cut = malloc(n + (n == 0));
		memcpy(cut, list, n);
		struct oui *o = oui_parse(cut, n);
		assert_true(oui_count(o) <= 4);
		oui_free(o);
		free(cut);
	}
}

static void is_bounded(void **state)
{
	(void)state;
	size_t cap = 40 * 200000, len = 0;
	char *text = malloc(cap);
	for (unsigned i = 0; i < 200000; i++)
		len += (size_t)snprintf(
			text + len, cap - len, "%06X     (base 16)\t\tmaker\n", i * 4);
	struct oui *o = oui_parse(text, len);
	assert_true(oui_count(o) <= OUI_MAX && oui_count(o) >= OUI_MAX / 2);
	oui_free(o);
	len = (size_t)snprintf(text, cap, "000000     (base 16)\t\t%01000d\n", 7);
	o = oui_parse(text, len);
	assert_int_equal(strlen(name(o, 0, 0, 0)), OUI_NAME);
	oui_free(o);
	free(text);
}

static void says_what_cannot_be_read(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_null(oui_load("/nowhere/oui.txt", &err));
	assert_true(err.set);
	err.set = false;
	assert_null(oui_load("/", &err));
	assert_true(err.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_makers),
		cmocka_unit_test(any_cut_is_read),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(says_what_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
