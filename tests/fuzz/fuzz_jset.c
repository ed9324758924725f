// SPDX-License-Identifier: GPL-2.0
/*
 * Journal entries: the input is one entry, decrypted. It is validated with
 * repair, the keys go into an overlay, and everything is printed.
 */
#include "fuzz.h"

#include "journal/overlay.h"
#include "journal/text.h"
#include "journal/validate.h"

static void overlay(struct jset *j)
{
	struct journal_keys keys = {};
	unsigned offset = 0;

	for_each_jset_entry(e, j) {
		if (!jset_entry_is_replayed(e))
			continue;
		jset_entry_for_each_key(e, k) {
			struct journal_key n = {
				.journal_seq	= le64_to_cpu(j->seq),
				.journal_offset	= offset++,
				.btree_id	= e->btree_id,
				.level		= e->level,
				.k		= k,
			};

			if (bch2_journal_keys_add(&keys, &n))
				break;
		}
	}
	bch2_journal_keys_sort_dedup(&keys);
	kvfree(keys.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bch_fs *c = fuzz_fs();
	struct printbuf out = PRINTBUF;
	struct jset *j;

	if (size < sizeof(*j) || jset_bytes((const struct jset *) data) > size)
		return 0;

	j = fuzz_copy(data, jset_bytes((const struct jset *) data));
	if (!bch2_jset_validate(c, c->devs[0], j, 2048, 0)) {
		overlay(j);
		bch2_jset_to_text(&out, c, j);
	}
	fuzz_use_text(&out);
	free(j);
	return 0;
}
