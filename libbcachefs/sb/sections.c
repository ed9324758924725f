// SPDX-License-Identifier: GPL-2.0
/*
 * The table of section types: name, smallest size, validation, text. Constant;
 * everything that handles sections by type goes through it.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/clean.h"
#include "sb/crypto.h"
#include "sb/disk_groups.h"
#include "sb/errors.h"
#include "sb/field.h"
#include "sb/journal_ring.h"
#include "sb/members.h"
#include "sb/misc_sections.h"
#include "sb/replicas.h"

/* One line of the table; _bytes is the least a section must have. */
#define SECTION(_name, _bytes, _err, _validate, _to_text)			\
	[BCH_SB_FIELD_##_name] = {						\
		.name		= #_name,					\
		.min_bytes	= _bytes,					\
		.min_bytes_err	= -BCH_ERR_##_err,				\
		.validate	= _validate,					\
		.to_text	= _to_text,					\
	}

#define HEADER	sizeof(struct bch_sb_field)

static const struct bch_sb_field_ops sections[BCH_SB_FIELD_NR] = {
	SECTION(journal, HEADER, invalid_sb_journal,
		bch2_sb_journal_validate, bch2_sb_journal_to_text),
	SECTION(members_v1, HEADER, invalid_sb_members,
		bch2_sb_members_v1_validate, bch2_sb_members_to_text),
	SECTION(crypt, sizeof(struct bch_sb_field_crypt), invalid_sb_crypt,
		bch2_sb_crypt_validate, bch2_sb_crypt_to_text),
	SECTION(replicas_v0, HEADER, invalid_sb_replicas,
		bch2_sb_replicas_v0_validate, bch2_sb_replicas_v0_to_text),
	SECTION(quota, sizeof(struct bch_sb_field_quota), invalid_sb_quota,
		NULL, bch2_sb_quota_to_text),
	SECTION(disk_groups, HEADER, invalid_sb_disk_groups,
		bch2_sb_disk_groups_validate, bch2_sb_disk_groups_to_text),
	SECTION(clean, sizeof(struct bch_sb_field_clean), invalid_sb_clean,
		bch2_sb_clean_validate, bch2_sb_clean_to_text),
	SECTION(replicas, HEADER, invalid_sb_replicas,
		bch2_sb_replicas_validate, bch2_sb_replicas_to_text),
	SECTION(journal_seq_blacklist, HEADER, invalid_sb_journal_seq_blacklist,
		bch2_sb_blacklist_validate, bch2_sb_blacklist_to_text),
	SECTION(journal_v2, HEADER, invalid_sb_journal,
		bch2_sb_journal_v2_validate, bch2_sb_journal_v2_to_text),
	SECTION(counters, HEADER, invalid_sb_field_size,
		NULL, bch2_sb_counters_to_text),
	SECTION(members_v2, sizeof(struct bch_sb_field_members_v2), invalid_sb_members,
		bch2_sb_members_v2_validate, bch2_sb_members_to_text),
	SECTION(errors, HEADER, invalid_sb_errors,
		bch2_sb_errors_validate, bch2_sb_errors_to_text),
	SECTION(ext, BCH_SB_EXT_BYTES_MIN, invalid_sb_ext,
		NULL, bch2_sb_ext_to_text),
	SECTION(downgrade, HEADER, invalid_sb_downgrade,
		bch2_sb_downgrade_validate, bch2_sb_downgrade_to_text),
	SECTION(recovery_passes, HEADER, invalid_sb_field_size,
		NULL, bch2_sb_recovery_passes_to_text),
	SECTION(extent_type_u64s, HEADER, invalid_sb_extent_type_u64s,
		bch2_sb_extent_type_u64s_validate, bch2_sb_extent_type_u64s_to_text),
};

/**
 * bch2_sb_field_ops() - methods of a section type
 * @type:	any number
 *
 * Return: the methods, or NULL for types of newer software.
 */
const struct bch_sb_field_ops *bch2_sb_field_ops(unsigned type)
{
	return type < ARRAY_SIZE(sections) ? &sections[type] : NULL;
}

/**
 * bch2_sb_field_name() - name of a section type
 * @type:	any number
 *
 * Return: the name, or NULL for types of newer software.
 */
const char *bch2_sb_field_name(unsigned type)
{
	return type < ARRAY_SIZE(sections) ? sections[type].name : NULL;
}

/**
 * bch2_sb_field_by_name() - section type of a name
 * @name:	name, not necessarily terminated
 * @len:	its length
 *
 * Return: the type, or -ENOENT.
 */
int bch2_sb_field_by_name(const char *name, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
		if (strlen(sections[i].name) == len && !memcmp(sections[i].name, name, len))
			return i;
	return -ENOENT;
}
