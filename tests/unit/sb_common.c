// SPDX-License-Identifier: GPL-2.0
/*
 * A small valid superblock in memory. What sb_make() makes passes all of the
 * validation, for reading and for writing; tests then break one thing. Running
 * out of memory aborts.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "sb_common.h"

struct bch_member *sb_member(struct bch_sb_handle *h, unsigned idx)
{
	struct bch_sb_field_members_v2 *v2 = bch2_sb_field_get(h->sb, members_v2);

	return (struct bch_member *) (v2->_members + idx * le16_to_cpu(v2->member_bytes));
}

void sb_csum(struct bch_sb *sb)
{
	sb->csum = bch2_checksum(BCH_SB_CSUM_TYPE(sb), bch2_null_nonce(), NULL,
				 (u8 *) sb + sizeof(sb->csum),
				 bch2_sb_bytes(sb) - sizeof(sb->csum));
}

struct bch_sb_field *sb_add(struct bch_sb_handle *h, enum bch_sb_field_type type,
			    const void *data, size_t bytes)
{
	struct bch_sb_field *f;

	f = bch2_sb_field_resize_id(h, type, 1 + DIV_ROUND_UP(bytes, sizeof(u64)));
	if (IS_ERR_OR_NULL(f))
		abort();
	memcpy(f + 1, data, bytes);
	return f;
}

static void add_members(struct bch_sb_handle *h, unsigned nr)
{
	struct bch_sb_field_members_v2 *v2;

	v2 = bch2_sb_field_resize(h, members_v2,
				  (sizeof(*v2) + nr * sizeof(struct bch_member)) / sizeof(u64));
	if (IS_ERR_OR_NULL(v2))
		abort();
	v2->member_bytes = cpu_to_le16(sizeof(struct bch_member));

	for (unsigned i = 0; i < nr; i++) {
		struct bch_member *m = sb_member(h, i);

		memset(m->uuid.b, 0x10 + i, sizeof(m->uuid.b));
		m->nbuckets = cpu_to_le64(SB_TEST_NBUCKETS);
		m->bucket_size = cpu_to_le16(SB_TEST_BUCKET);
		m->seq = h->sb->seq;
		SET_BCH_MEMBER_DATA_ALLOWED(m, BCH_DATA_ALLOWED_DEFAULT);
	}
}

static void set_layout(struct bch_sb_layout *l)
{
	l->magic = BCHFS_MAGIC;
	l->sb_max_size_bits = BCH_SB_MAX_SIZE_BITS_DEFAULT;
	l->nr_superblocks = 3;
	l->sb_offset[0] = cpu_to_le64(8);
	l->sb_offset[1] = cpu_to_le64(2056);
	l->sb_offset[2] = cpu_to_le64(SB_TEST_NBUCKETS * SB_TEST_BUCKET - 2048);
}

void sb_make(struct bch_sb_handle *h, unsigned nr)
{
	struct bch_sb_field_ext ext = {};
	struct bch_sb *sb;

	memset(h, 0, sizeof(*h));
	if (bch2_sb_handle_alloc(h, 65536))
		abort();

	sb = h->sb;
	sb->version = cpu_to_le16(bcachefs_metadata_version_current);
	sb->version_min = sb->version;
	sb->magic = BCHFS_MAGIC;
	memset(sb->uuid.b, 0xaa, sizeof(sb->uuid.b));
	memset(sb->user_uuid.b, 0xbb, sizeof(sb->user_uuid.b));
	sb->offset = cpu_to_le64(BCH_SB_SECTOR);
	sb->seq = cpu_to_le64(100);
	sb->write_time = cpu_to_le64(1000000);
	sb->block_size = cpu_to_le16(SB_TEST_BLOCK);
	sb->nr_devices = nr;
	sb->time_precision = cpu_to_le32(1);
	SET_BCH_SB_BTREE_NODE_SIZE(sb, SB_TEST_NODE);
	SET_BCH_SB_CSUM_TYPE(sb, BCH_CSUM_crc32c_nonzero);
	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb, bcachefs_metadata_version_current);
	set_layout(&sb->layout);

	/* defaults of what is stored, so that options are valid */
	for (unsigned i = 0; i < bch2_opts_nr; i++)
		if (bch2_opt_table[i].storage == BCH_OPT_IN_SB &&
		    i != Opt_block_size && i != Opt_btree_node_size)
			bch2_opt_set_sb(sb, i, bch2_opt_get_by_id(&bch2_opts_default, i));

	add_members(h, nr);
	sb_add(h, BCH_SB_FIELD_ext, &ext.field + 1, sizeof(ext) - sizeof(ext.field));
	sb_csum(h->sb);
}
