/* test_tls.c - TLS as a client: who is believed, in which words somebody is not, and bytes both
 * ways. The server is the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/pki.h"
#include "common/tls.h"

#define ORG "37000000000000000000000000000037"

static char top[64], ours[96], others[96]; /* two authorities */

static void authority(const char *folder)
{
	struct err err = { 0 };
	struct node_identity id = { .tier = TIER_PROVINCE };
	snprintf(id.org, sizeof id.org, ORG);
	mkdir(folder, 0700);
	if (!pki_make_authority(folder, &id, "127.0.0.1,redis.example", &err))
		fail_msg("%s", err.text);
}

static int before(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/test-tls-XXXXXX");
	if (!keys_init() || mkdtemp(top) == NULL)
		return -1;
	snprintf(ours, sizeof ours, "%s/ours", top);
	snprintf(others, sizeof others, "%s/others", top);
	authority(ours);
	authority(others);
	return 0;
}

static int drop_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int after(void **state)
{
	(void)state;
	return nftw(top, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Sends back what it reads, in upper case; ends when the client does. */
static void *echo(void *ctx)
{
	int fd = *(int *)ctx;
	char cert[128], key[128], bytes[256];
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t s;
	snprintf(cert, sizeof cert, "%s/server.crt", ours);
	snprintf(key, sizeof key, "%s/node.key", ours);
	gnutls_certificate_allocate_credentials(&credentials);
	if (gnutls_certificate_set_x509_key_file(credentials, cert, key, GNUTLS_X509_FMT_PEM) < 0)
		abort();
	gnutls_init(&s, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
	gnutls_set_default_priority(s);
	gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_transport_set_int(s, fd);
	int code;
	do
		code = gnutls_handshake(s);
	while (code < 0 && gnutls_error_is_fatal(code) == 0);
	for (ssize_t n; code == 0 && (n = gnutls_record_recv(s, bytes, sizeof bytes)) > 0;) {
		for (ssize_t i = 0; i < n; i++)
			bytes[i] = (char)(bytes[i] >= 'a' && bytes[i] <= 'z' ? bytes[i] - 32
									     : bytes[i]);
		gnutls_record_send(s, bytes, (size_t)n);
	}
	if (code == 0)
		gnutls_bye(s, GNUTLS_SHUT_WR);
	gnutls_deinit(s);
	gnutls_certificate_free_credentials(credentials);
	close(fd);
	return NULL;
}

struct talkers {
	int client, server;
	pthread_t thread;
	struct tls *tls;
};

static enum tls_state shake(struct talkers *t, const char *host, const char *ca, struct err *err)
{
	int pair[2];
	char path[128];
	snprintf(path, sizeof path, "%s/ca.crt", ca);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	t->client = pair[0];
	t->server = pair[1];
	fcntl(t->client, F_SETFL, O_NONBLOCK);
	pthread_create(&t->thread, NULL, echo, &t->server);
	struct tls_options o = { .host = host, .ca_file = path };
	t->tls = tls_new(t->client, &o, err);
	if (t->tls == NULL)
		fail_msg("%s", err->text);
	enum tls_state s;
	while ((s = tls_handshake(t->tls, err)) == TLS_READ || s == TLS_WRITE) {
		struct pollfd p = { t->client, s == TLS_READ ? POLLIN : POLLOUT, 0 };
		poll(&p, 1, 10000);
	}
	return s;
}

static void hang_up(struct talkers *t)
{
	tls_free(t->tls);
	shutdown(t->client, SHUT_RDWR);
	pthread_join(t->thread, NULL);
	close(t->client);
}

static void bytes_go_both_ways(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "redis.example" };
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct talkers t;
		struct err err = { 0 };
		char bytes[64] = "";
		if (shake(&t, hosts[i], ours, &err) != TLS_DONE)
			fail_msg("%s", err.text);
		assert_int_equal(tls_send(t.tls, "hello", 5, &err), 5);
		size_t got = 0;
		while (got < 5) {
			struct pollfd p = { t.client, POLLIN, 0 };
			ssize_t n = tls_recv(t.tls, bytes + got, sizeof bytes - got, &err);
			if (n < 0)
				assert_int_equal(errno, EAGAIN);
			got += n > 0 ? (size_t)n : 0;
			if (got < 5 && tls_pending(t.tls) == 0)
				poll(&p, 1, 10000);
		}
		assert_string_equal(bytes, "HELLO");
		hang_up(&t);
	}
}

static void who_is_not_believed_is_said(void **state)
{
	const struct {
		const char *host, *ca, *says;
	} all[] = { { "elsewhere.example", ours, "does not match" },
		{ "127.0.0.2", ours, "does not match" }, { "127.0.0.1", others, "NOT trusted" } };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct talkers t;
		struct err err = { 0 };
		assert_int_equal(shake(&t, all[i].host, all[i].ca, &err), TLS_FAILED);
		if (strstr(err.text, all[i].says) == NULL || strstr(err.text, all[i].host) == NULL)
			fail_msg("it says: %s", err.text);
		hang_up(&t);
	}
}

static void files_that_are_wrong_are_named(void **state)
{
	char empty[128];
	(void)state;
	snprintf(empty, sizeof empty, "%s/empty", top);
	fclose(fopen(empty, "w"));
	const struct tls_options all[] = { { .host = "h", .ca_file = "/nonexistent" },
		{ .host = "h", .ca_file = empty },
		{ .host = "h", .ca_file = NULL, .cert_file = empty, .key_file = empty } };
	for (size_t i = 0; i < 3; i++) {
		struct err err = { 0 };
		assert_null(tls_new(0, &all[i], &err));
		assert_true(err.set);
		if (i < 2)
			assert_non_null(strstr(err.text, all[i].ca_file));
	}
	tls_free(NULL);
}

static void a_peer_that_speaks_no_tls(void **state)
{
	int pair[2];
	char path[128];
	struct err err = { 0 };
	(void)state;
	snprintf(path, sizeof path, "%s/ca.crt", ours);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	struct tls_options o = { .host = "127.0.0.1", .ca_file = path };
	struct tls *t = tls_new(pair[0], &o, &err);
	assert_int_equal(tls_handshake(t, &err), TLS_READ);
	assert_true(write(pair[1], "-ERR unknown command\r\n", 22) == 22);
	assert_int_equal(tls_handshake(t, &err), TLS_FAILED);
	assert_true(err.set);
	tls_free(t);
	close(pair[0]);
	close(pair[1]);
}

/* FIPS 180-4 */
static void sha_1(void **state)
{
	static const uint8_t wanted[TLS_SHA1] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a,
		0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
	uint8_t digest[TLS_SHA1];
	(void)state;
	assert_true(tls_sha1("abc", 3, digest));
	assert_memory_equal(digest, wanted, TLS_SHA1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(who_is_not_believed_is_said),
		cmocka_unit_test(files_that_are_wrong_are_named),
		cmocka_unit_test(a_peer_that_speaks_no_tls),
		cmocka_unit_test(sha_1),
	};
	return cmocka_run_group_tests(tests, before, after);
}
