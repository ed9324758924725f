// SPDX-License-Identifier: GPL-2.0
/*
 * Values of every key type. Input: 8 bytes - btree id, level, source, with or
 * without a filesystem, 4 unused - then one unpacked key. It is printed before it
 * is validated, because invalid keys are printed too; valid inodes, dirents and
 * the like are unpacked by what uses them.
 */
#include "fuzz.h"

#include "btree/bkey_methods.h"
#include "fs/dirent.h"
#include "fs/inode.h"

struct input {
	uint8_t		btree;
	uint8_t		level;
	uint8_t		from;
	uint8_t		without_fs;
	uint8_t		unused[4];
};

static void use(struct bkey_s_c k)
{
	static struct bch_inode_unpacked inode;

	switch (k.k->type) {
	case KEY_TYPE_inode:
	case KEY_TYPE_inode_v2:
	case KEY_TYPE_inode_v3:
		bch2_inode_unpack(k, &inode);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input *in = (const void *) data;
	struct bch_fs *c = fuzz_fs();
	struct printbuf out = PRINTBUF, err = PRINTBUF;
	struct bkey_validate_context from = { .err = &err };
	struct bkey_s_c k;
	struct bkey_i *i;
	size_t bytes;

	if (size < sizeof(*in) + sizeof(struct bkey))
		return 0;
	if (in->without_fs & 1)
		c = NULL;

	/* The walkers see to it that a key lies in its container. */
	data += sizeof(*in);
	size -= sizeof(*in);
	bytes = ((const struct bkey *) data)->u64s * 8UL;
	if (bytes < sizeof(struct bkey) || bytes > size)
		return 0;

	i = fuzz_copy(data, bytes);
	i->k.format = KEY_FORMAT_CURRENT;
	k = bkey_i_to_s_c(i);

	from.btree	= in->btree % BTREE_ID_NR_MAX;
	from.level	= in->level & 3;
	from.from	= in->from % BKEY_VALIDATE_NR;

	if (bkey_val_bytes(k.k) >= bch2_bkey_val_min_bytes(k.k->type))
		bch2_bkey_val_to_text(&out, c, k);
	if (!bch2_bkey_validate(c, k, from))
		use(k);

	fuzz_use_text(&out);
	fuzz_use_text(&err);
	free(i);
	return 0;
}
