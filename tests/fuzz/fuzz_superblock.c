// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks: the input is one copy as on a device, from its first byte on. The
 * layout is looked at on its own as well; a superblock that validates is printed
 * and its options are taken.
 */
#include "fuzz.h"

#include "sb/io.h"

static void one(const uint8_t *data, size_t size)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_sb *sb = fuzz_copy(data, size);
	struct printbuf out = PRINTBUF;
	uint64_t bytes = bch2_sb_bytes(sb);

	/* What is read from a device is compared with the layout before. */
	if (bytes <= size &&
	    !bch2_sb_validate(sb, &opts, le64_to_cpu(sb->offset), 0, &out)) {
		bch2_opts_from_sb(&opts, sb, &out);
		bch2_sb_to_text(&out, NULL, sb, true, ~0UL);
	}
	fuzz_use_text(&out);
	free(sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct printbuf out = PRINTBUF;

	fuzz_fs();
	if (size < sizeof(struct bch_sb))
		return 0;

	bch2_sb_layout_validate(&((const struct bch_sb *) data)->layout, &out);
	fuzz_use_text(&out);

	one(data, size);
	return 0;
}
