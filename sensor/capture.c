/* capture.c - live capture and BPF filters, by libpcap: pcap(3PCAP), packet(7).
 * The only file that knows libpcap. It opens interfaces for listening and never calls pcap_inject()
 * or its like; sandbox.c takes away the means afterwards. */
#include "sensor/capture.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	SNAPLEN = 65535,
	BUFFER_BYTES = 32 << 20,
	TIMEOUT_MS = 100,
	BATCH = 4096, /* packets of one interface before the next has its turn */
	FILTER_LINKS = 16,
};

struct tap {
	pcap_t *pcap; /* NULL: lost */
	char *name;
	uint32_t link;
	int64_t fraction_ns;
	struct pcap_stat last; /* counters of 32 bits that wrap */
	struct capture_stats sum;
	unsigned index;
	capture_fn *fn; /* during capture_poll() */
	void *ctx;
};

struct capture {
	struct tap *taps;
	struct pollfd *fds;
	size_t count;
};

static void add_names(char *text, size_t room)
{
	char message[PCAP_ERRBUF_SIZE];
	pcap_if_t *all = NULL;
	size_t len = 0;
	if (pcap_findalldevs(&all, message) != 0)
		return;
	for (pcap_if_t *i = all; i != NULL && len < room; i = i->next) {
		if ((i->flags & PCAP_IF_LOOPBACK) == 0 && i->addresses == NULL &&
			!(i->flags & PCAP_IF_UP))
			continue; /* usbmon, nflog and the like */
		int n = snprintf(text + len, room - len, "%s%s", len == 0 ? "" : ", ", i->name);
		len += n > 0 ? (size_t)n : 0;
	}
	pcap_freealldevs(all);
}

/* Why could it not be opened, and what is to be done? */
static bool explain(const char *name, int status, pcap_t *p, struct err *err)
{
	char names[256] = "";
	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		add_names(names, sizeof(names));
		return err_set(err, "%s: no such interface; there are: %s", name, names);
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return err_set(err,
			"%s: not permitted to capture: run as root, or give the program the "
			"capability (setcap cap_net_raw+ep)",
			name);
	case PCAP_ERROR_IFACE_NOT_UP:
		return err_set(err, "%s: the interface is down: ip link set %s up", name, name);
	default:
		return err_set(err, "%s: %s: %s", name, pcap_statustostr(status), pcap_geterr(p));
	}
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value == 0 ? otherwise : value;
}

/* Immediate mode stays off: it would give TPACKET_V2, a system call for every few packets. */
static bool activate(struct tap *t, const struct capture_options *o, struct err *err)
{
	pcap_t *p = t->pcap;
	pcap_set_snaplen(p, (int)or_default(o->snaplen, SNAPLEN));
	pcap_set_promisc(p, 1);
	pcap_set_timeout(p, (int)or_default(o->timeout_ms, TIMEOUT_MS));
	pcap_set_buffer_size(p, (int)or_default(o->buffer_bytes, BUFFER_BYTES));
	t->fraction_ns = pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO) == 0 ? 1 : 1000;
	int status = pcap_activate(p);
	if (status < 0)
		return explain(t->name, status, p, err);
	if (status > 0 && o->warn != NULL) {
		char line[512];
		snprintf(line, sizeof(line), "%s: %s (%s)", t->name, pcap_statustostr(status),
			pcap_geterr(p));
		o->warn(o->ctx, line);
	}
	t->link = (uint32_t)pcap_datalink(p);
	return true;
}

static bool set_filter(pcap_t *p, const char *name, const char *expression, struct err *err)
{
	struct bpf_program program;
	if (pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return err_set(err, "filter \"%s\": %s", expression, pcap_geterr(p));
	int status = pcap_setfilter(p, &program);
	pcap_freecode(&program);
	return status == 0 || err_set(err, "%s: filter: %s", name, pcap_geterr(p));
}

/* Packets of one flow, fragments included, go to one member of the group. */
static bool join_fanout(struct tap *t, uint16_t group, struct err *err)
{
	uint32_t how = group | (uint32_t)(PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG) << 16;
	if (setsockopt(pcap_fileno(t->pcap), SOL_PACKET, PACKET_FANOUT, &how, sizeof(how)) == 0)
		return true;
	return err_set(err, "%s: sharing packets among workers: %s", t->name, strerror(errno));
}

static bool open_tap(
	struct tap *t, const char *name, const struct capture_options *o, struct err *err)
{
	char message[PCAP_ERRBUF_SIZE] = "";
	t->name = strdup(name);
	t->pcap = t->name == NULL ? NULL : pcap_create(name, message);
	if (t->pcap == NULL)
		return err_set(err, "%s: %s", name, message);
	if (!activate(t, o, err))
		return false;
	if (o->filter != NULL && !set_filter(t->pcap, name, o->filter, err))
		return false;
	if (o->fanout != 0 && !join_fanout(t, o->fanout, err))
		return false;
	if (pcap_setnonblock(t->pcap, 1, message) != 0)
		return err_set(err, "%s: %s", name, message);
	return true;
}

struct capture *capture_open(const struct capture_options *o, struct err *err)
{
	struct capture *c = calloc(1, sizeof(*c));
	if (c == NULL)
		goto memory;
	c->taps = calloc(o->count, sizeof(*c->taps));
	c->fds = calloc(o->count, sizeof(*c->fds));
	if (c->taps == NULL || c->fds == NULL)
		goto memory;
	c->count = o->count;
	for (unsigned i = 0; i < o->count; i++) {
		struct tap *t = &c->taps[i];
		t->index = i;
		if (!open_tap(t, o->interfaces[i], o, err))
			goto out;
		c->fds[i] =
			(struct pollfd){ .fd = pcap_get_selectable_fd(t->pcap), .events = POLLIN };
	}
	return c;
memory:
	err_set(err, "capture: out of memory");
out:
	capture_close(c);
	return NULL;
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes)
{
	struct tap *t = (struct tap *)user;
	struct frame f = {
		.ts_ns = (int64_t)h->ts.tv_sec * 1000000000 +
			 (int64_t)h->ts.tv_usec * t->fraction_ns,
		.link = t->link,
		.caplen = h->caplen,
		.wirelen = h->len,
		.bytes = bytes,
	};
	t->fn(t->ctx, &f, t->index);
}

/* The counters of libpcap have 32 bits and wrap. */
static void take_stats(struct tap *t)
{
	struct pcap_stat now;
	if (t->pcap == NULL || pcap_stats(t->pcap, &now) != 0)
		return;
	t->sum.received += now.ps_recv - t->last.ps_recv;
	t->sum.dropped += now.ps_drop - t->last.ps_drop;
	t->sum.if_dropped += now.ps_ifdrop - t->last.ps_ifdrop;
	t->last = now;
}

/* It cannot be opened again: the privileges for that are gone. */
static void lose(struct capture *c, struct tap *t, struct err *err)
{
	err_set(err, "%s: capture ended: %s", t->name, pcap_geterr(t->pcap));
	take_stats(t);
	pcap_close(t->pcap);
	t->pcap = NULL;
	c->fds[t->index].fd = -1; /* poll() passes over it */
}

int capture_poll(struct capture *c, int timeout_ms, capture_fn *fn, void *ctx, struct err *err)
{
	int total = 0;
	bool any = false;
	if (poll(c->fds, (nfds_t)c->count, timeout_ms) < 0 && errno != EINTR) {
		err_set(err, "capture: poll: %s", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < c->count; i++) {
		struct tap *t = &c->taps[i];
		if (t->pcap == NULL)
			continue;
		t->fn = fn;
		t->ctx = ctx;
		int n = pcap_dispatch(t->pcap, BATCH, on_packet, (u_char *)t);
		if (n < 0 && n != PCAP_ERROR_BREAK)
			lose(c, t, err);
		total += n > 0 ? n : 0;
		any |= t->pcap != NULL;
	}
	return any || total > 0 ? total : -1;
}

void capture_stats(struct capture *c, struct capture_stats *out)
{
	*out = (struct capture_stats){ 0 };
	for (size_t i = 0; i < c->count; i++) {
		take_stats(&c->taps[i]);
		out->received += c->taps[i].sum.received;
		out->dropped += c->taps[i].sum.dropped;
		out->if_dropped += c->taps[i].sum.if_dropped;
	}
}

const char *capture_interface(const struct capture *c, unsigned interface)
{
	return c->taps[interface].name;
}

void capture_close(struct capture *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++) {
		if (c->taps[i].pcap != NULL)
			pcap_close(c->taps[i].pcap);
		free(c->taps[i].name);
	}
	free(c->taps);
	free(c->fds);
	free(c);
}

struct capture_filter {
	char *expression;
	size_t count;
	struct {
		uint32_t link;
		bool usable;
		struct bpf_program program;
	} compiled[FILTER_LINKS];
};

/* LINKTYPE_ as libpcap calls it here: raw IP has another number in files. */
static int dlt_of(uint32_t link)
{
	return link == 101 || link == 14 ? DLT_RAW : (int)link;
}

/* Compiles for one more link type; false and @err where the expression has no meaning for it. */
static bool compile(struct capture_filter *f, uint32_t link, struct err *err)
{
	pcap_t *p = pcap_open_dead(dlt_of(link), SNAPLEN);
	size_t i = f->count++;
	f->compiled[i].link = link;
	if (p == NULL)
		return err_set(err, "filter: out of memory");
	f->compiled[i].usable = pcap_compile(p, &f->compiled[i].program, f->expression, 1,
					PCAP_NETMASK_UNKNOWN) == 0;
	if (!f->compiled[i].usable)
		err_set(err, "filter \"%s\": %s", f->expression, pcap_geterr(p));
	pcap_close(p);
	return f->compiled[i].usable;
}

struct capture_filter *capture_filter_new(uint32_t link, const char *expression, struct err *err)
{
	struct capture_filter *f = calloc(1, sizeof(*f));
	if (f != NULL)
		f->expression = strdup(expression);
	if (f == NULL || f->expression == NULL) {
		err_set(err, "filter: out of memory");
		capture_filter_free(f);
		return NULL;
	}
	if (compile(f, link, err))
		return f;
	capture_filter_free(f);
	return NULL;
}

bool capture_filter_match(struct capture_filter *f, const struct frame *frame)
{
	size_t i = 0;
	while (i < f->count && f->compiled[i].link != frame->link)
		i++;
	if (i == FILTER_LINKS)
		return false;
	if (i == f->count) {
		struct err ignored = { 0 };
		compile(f, frame->link, &ignored);
	}
	struct pcap_pkthdr h = { .caplen = frame->caplen, .len = frame->wirelen };
	return f->compiled[i].usable &&
	       pcap_offline_filter(&f->compiled[i].program, &h, frame->bytes) != 0;
}

void capture_filter_free(struct capture_filter *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++) {
		if (f->compiled[i].usable)
			pcap_freecode(&f->compiled[i].program);
	}
	free(f->expression);
	free(f);
}

const char *capture_library(void)
{
	return pcap_lib_version();
}
