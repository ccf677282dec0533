/* bare.c - what reading a capture costs when nothing is done with it: the yardstick of the bench.
 */
#include <pcap/pcap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = argc == 2 ? pcap_open_offline(argv[1], why) : NULL;
	if (p == NULL)
		return 2;
	struct pcap_pkthdr *head;
	const u_char *bytes;
	unsigned long packets = 0, sum = 0;
	while (pcap_next_ex(p, &head, &bytes) == 1) {
		packets++;
		sum += head->caplen + bytes[0];
	}
	pcap_close(p);
	printf("%lu %lu\n", packets, sum);
	return 0;
}
