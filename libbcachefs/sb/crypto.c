// SPDX-License-Identifier: GPL-2.0
/*
 * Section crypt and the master key (spec 13 section 5).
 *
 * The key box in the superblock is either plain, or wrapped with a key made
 * from the passphrase. That key is looked up in keyrings by the name of the
 * filesystem; deriving it from a passphrase is the tools' business. Keys on the
 * stack are wiped.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/key.h>
#include <linux/string.h>
#include <keys/user-type.h>

#include "bcachefs.h"
#include "sb/crypto.h"
#include "sb/io.h"
#include "util/log.h"

/* Where labels of this section's text end. */
#define CRYPT_TEXT_COLUMN	19

/**
 * bch2_sb_crypt() - section crypt of a superblock
 * @sb:		superblock
 *
 * Return: the section if it is there and whole, else NULL.
 */
const struct bch_sb_field_crypt *bch2_sb_crypt(const struct bch_sb *sb)
{
	const struct bch_sb_field_crypt *crypt = bch2_sb_field_get(sb, crypt);

	return crypt && bch2_sb_field_bytes(&crypt->field) >= sizeof(*crypt) ? crypt : NULL;
}

/**
 * bch2_sb_needs_passphrase() - is there a master key that is wrapped?
 * @sb:		superblock
 *
 * Return: false also for filesystems whose key lies there in plain text.
 */
bool bch2_sb_needs_passphrase(const struct bch_sb *sb)
{
	const struct bch_sb_field_crypt *crypt = bch2_sb_crypt(sb);

	return crypt && bch2_key_is_encrypted(&crypt->key);
}

/**
 * bch2_sb_key_description() - name of the passphrase key in keyrings
 * @sb:		superblock
 * @buf:	result, NUL terminated
 */
void bch2_sb_key_description(const struct bch_sb *sb, char buf[BCH_KEY_DESCRIPTION_BYTES])
{
	struct printbuf out = PRINTBUF_EXTERN(buf, BCH_KEY_DESCRIPTION_BYTES);

	prt_str(&out, "bcachefs:");
	prt_uuid(&out, sb->user_uuid.b);
}

/**
 * bch2_decrypt_sb_key() - unwrap the master key
 * @uuid:	internal uuid of the filesystem
 * @crypt:	its section crypt
 * @passphrase_key: made from the passphrase; not used if the box is plain
 * @key:	result
 *
 * Return: 0, or -BCH_ERR_ENOKEY_wrong_passphrase.
 */
int bch2_decrypt_sb_key(const __uuid_t *uuid, const struct bch_sb_field_crypt *crypt,
			const struct bch_key *passphrase_key, struct bch_key *key)
{
	if (!bch2_key_is_encrypted(&crypt->key)) {
		*key = crypt->key.key;
		return 0;
	}
	return bch2_decrypt_key_box(&crypt->key, uuid->b, passphrase_key, key);
}

/* The passphrase key of this filesystem from the keyrings. */
static int request_passphrase_key(const struct bch_sb *sb, struct bch_key *key)
{
	char description[BCH_KEY_DESCRIPTION_BYTES];
	const struct user_key_payload *payload;
	struct key *k;
	int ret = 0;

	bch2_sb_key_description(sb, description);
	k = request_key(&key_type_user, description, NULL);
	if (IS_ERR(k))
		return -BCH_ERR_ENOKEY_not_loaded;

	down_read(&k->sem);
	payload = user_key_payload_locked(k);
	if (payload && payload->datalen == sizeof(*key))
		memcpy(key, payload->data, sizeof(*key));
	else
		ret = -BCH_ERR_ENOKEY_not_loaded;
	up_read(&k->sem);
	key_put(k);
	return ret;
}

/**
 * bch2_fs_load_master_key() - get the master key of a filesystem that has one
 * @c:		filesystem; c->disk_sb is read
 *
 * Sets c->chacha20_key and c->has_key. Nothing to do without section crypt.
 *
 * Return: 0, -BCH_ERR_ENOKEY_not_loaded if the passphrase's key is in no
 * keyring, -BCH_ERR_ENOKEY_wrong_passphrase if what is there does not fit.
 */
int bch2_fs_load_master_key(struct bch_fs *c)
{
	const struct bch_sb_field_crypt *crypt = bch2_sb_crypt(c->disk_sb.sb);
	struct bch_key passphrase_key = {};
	int ret;

	if (!crypt)
		return 0;

	if (bch2_sb_needs_passphrase(c->disk_sb.sb)) {
		ret = request_passphrase_key(c->disk_sb.sb, &passphrase_key);
		if (ret) {
			bch_err(c, "filesystem is encrypted and its key is not loaded");
			return ret;
		}
	}

	ret = bch2_decrypt_sb_key(&c->disk_sb.sb->uuid, crypt, &passphrase_key,
				  &c->chacha20_key);
	memzero_explicit(&passphrase_key, sizeof(passphrase_key));
	if (ret)
		bch_err(c, "incorrect encryption key");
	else
		c->has_key = true;
	return ret;
}

/**
 * bch2_sb_crypt_validate() - check section crypt
 * @sb:		superblock
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_crypt.
 */
int bch2_sb_crypt_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			   struct printbuf *err)
{
	const struct bch_sb_field_crypt *crypt = sb_field_as(f, crypt);

	if (BCH_CRYPT_KDF_TYPE(crypt) >= BCH_KDF_NR) {
		prt_printf(err, "unknown key derivation function %u",
			   (unsigned) BCH_CRYPT_KDF_TYPE(crypt));
		return -BCH_ERR_invalid_sb_crypt;
	}
	return 0;
}

static void crypt_line(struct printbuf *out, const char *label, u64 v)
{
	bch2_sb_label_to_text(out, 0, CRYPT_TEXT_COLUMN, label);
	prt_printf(out, "%llu\n", v);
}

/**
 * bch2_sb_crypt_to_text() - body of section crypt for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		unused
 *
 * The parameters are the exponents as stored.
 */
void bch2_sb_crypt_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			   const struct bch_sb_text *t)
{
	const struct bch_sb_field_crypt *crypt = sb_field_as(f, crypt);

	crypt_line(out, "KFD:", BCH_CRYPT_KDF_TYPE(crypt));
	crypt_line(out, "scrypt n:", BCH_KDF_SCRYPT_N(crypt));
	crypt_line(out, "scrypt r:", BCH_KDF_SCRYPT_R(crypt));
	crypt_line(out, "scrypt p:", BCH_KDF_SCRYPT_P(crypt));
}
