/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The master key: section crypt, and getting the key out of it (spec 13
 * section 5). Ciphers are in util/checksum.h.
 */
#ifndef _BCACHEFS_SB_CRYPTO_H
#define _BCACHEFS_SB_CRYPTO_H

#include "bcachefs.h"

struct bch_sb_text;

/* "bcachefs:" and a uuid */
#define BCH_KEY_DESCRIPTION_BYTES	46

const struct bch_sb_field_crypt *bch2_sb_crypt(const struct bch_sb *);
bool bch2_sb_needs_passphrase(const struct bch_sb *);
void bch2_sb_key_description(const struct bch_sb *, char buf[BCH_KEY_DESCRIPTION_BYTES]);

int bch2_decrypt_sb_key(const __uuid_t *uuid, const struct bch_sb_field_crypt *crypt,
			const struct bch_key *passphrase_key, struct bch_key *key);
int bch2_fs_load_master_key(struct bch_fs *);

int bch2_sb_crypt_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
			   struct printbuf *);
void bch2_sb_crypt_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			   const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_CRYPTO_H */
