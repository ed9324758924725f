// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs set-passphrase, remove-passphrase: how the master key is kept in the
 * superblock (Documentation/format/73 sections 6.3, 6.4, 13 section 5).
 *
 * The master key itself never changes, so no data has to be rewritten. Each
 * passphrase is read once. The superblock is durable on all devices before the
 * old key is taken out of the keyrings; and it is written only after the new box
 * has been opened with the new passphrase.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <linux/mutex.h>

#include "bcachefs.h"
#include "commands.h"
#include "init/fs.h"
#include "sb/crypto.h"
#include "sb/field.h"
#include "tools-open.h"
#include "tools-passphrase.h"
#include "tools.h"

/* scrypt parameters of new passphrases, as logarithms (13 section 5.2) */
#define SCRYPT_N_BITS		14
#define SCRYPT_R_BITS		3
#define SCRYPT_P_BITS		4

/* The master key, with the present passphrase if it needs one. 0, or 1 after a message. */
static int master_key(const struct bch_sb *sb, const struct bch_sb_field_crypt *crypt,
		      struct bch_key *master)
{
	struct bch_key key = {};
	char *passphrase;
	int ret = 0;

	if (bch2_key_is_encrypted(&crypt->key)) {
		passphrase = tools_passphrase_ask("Enter passphrase: ");
		if (!passphrase)
			return 1;
		ret = tools_passphrase_key(sb, passphrase, &key);
		tools_passphrase_free(passphrase);
	}
	if (!ret)
		ret = bch2_decrypt_sb_key(&sb->uuid, crypt, &key, master);
	sodium_memzero(&key, sizeof(key));

	if (ret == -EACCES)
		return tools_error("incorrect passphrase");
	if (ret)
		return tools_error("cannot derive a key with the parameters in the superblock: %s",
				   tools_strerror(ret));
	return 0;
}

static void box_plain(struct bch_sb_field_crypt *crypt, const struct bch_key *master)
{
	crypt->key.magic = cpu_to_le64(BCH_KEY_MAGIC);
	crypt->key.key = *master;
}

/* The box under a new passphrase. Parameters of a passphrase that was there are kept. */
static int box_wrap(const struct bch_sb *sb, struct bch_sb_field_crypt *crypt,
		    const struct bch_key *master, const char *passphrase)
{
	struct bch_key key, check;
	int ret;

	if (!bch2_key_is_encrypted(&crypt->key)) {
		SET_BCH_CRYPT_KDF_TYPE(crypt, BCH_KDF_SCRYPT);
		SET_BCH_KDF_SCRYPT_N(crypt, SCRYPT_N_BITS);
		SET_BCH_KDF_SCRYPT_R(crypt, SCRYPT_R_BITS);
		SET_BCH_KDF_SCRYPT_P(crypt, SCRYPT_P_BITS);
	}
	ret = tools_passphrase_derive(crypt, passphrase, &key);
	if (ret)
		return tools_error("cannot derive a key: %s", strerror(-ret));

	box_plain(crypt, master);
	bch2_encrypt_key_box(&crypt->key, sb->uuid.b, &key);

	ret = bch2_decrypt_sb_key(&sb->uuid, crypt, &key, &check) ||
		sodium_memcmp(&check, master, sizeof(check));
	sodium_memzero(&key, sizeof(key));
	sodium_memzero(&check, sizeof(check));
	return ret ? tools_error("the new passphrase does not open the key") : 0;
}

static int new_box(struct bch_sb *sb, struct bch_sb_field_crypt *crypt, bool remove)
{
	struct bch_key master;
	char *passphrase;
	int ret = master_key(sb, crypt, &master);

	if (!ret && remove) {
		box_plain(crypt, &master);
	} else if (!ret) {
		passphrase = tools_passphrase_ask_new();
		if (passphrase && !*passphrase)
			ret = tools_error("the new passphrase is empty");
		else
			ret = passphrase ? box_wrap(sb, crypt, &master, passphrase) : 1;
		tools_passphrase_free(passphrase);
	}
	sodium_memzero(&master, sizeof(master));
	return ret;
}

static int change(struct bch_fs *c, bool remove)
{
	struct bch_sb *sb = c->disk_sb.sb;
	struct bch_sb_field_crypt *crypt = bch2_sb_field_get(sb, crypt);
	int ret;

	if (!bch2_sb_crypt(sb))
		return tools_error("Filesystem does not have encryption enabled");
	if (remove && !bch2_key_is_encrypted(&crypt->key)) {
		printf("Filesystem has no passphrase\n");
		return 0;
	}

	ret = new_box(sb, crypt, remove);
	if (ret)
		return ret;

	ret = tools_write_super(c);
	if (!ret)
		tools_keyring_revoke(c->disk_sb.sb);
	return ret;
}

static int run(const struct tools_cmdline *cmd, int argc, char *argv[], bool remove)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;
	unsigned nr;
	char **pos;
	int ret;

	nr = tools_args(cmd, argc, argv, &pos);
	c = tools_open_super(pos, nr, &opts);
	if (!c)
		return 1;

	mutex_lock(&c->sb_lock);
	ret = change(c, remove);
	mutex_unlock(&c->sb_lock);
	bch2_fs_stop(c);
	return ret;
}

int cmd_set_passphrase(int argc, char *argv[])
{
	static const struct tools_arg args[] = { {} };
	const struct tools_cmdline cmd = {
		.name			= "set-passphrase",
		.positionals		= "DEVICE...",
		.summary		= "Set or change the passphrase of an unmounted filesystem",
		.details		=
	"Asks for the present passphrase, if there is one, and for the new one. If standard\n"
	"input is not a terminal they are its first lines.\n",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= BCH_SB_MEMBERS_MAX,
	};

	return run(&cmd, argc, argv, false);
}

int cmd_remove_passphrase(int argc, char *argv[])
{
	static const struct tools_arg args[] = { {} };
	const struct tools_cmdline cmd = {
		.name			= "remove-passphrase",
		.positionals		= "DEVICE...",
		.summary		= "Store the key of an unmounted filesystem in plain text",
		.details		=
	"Data stays encrypted, but whoever has the devices can read it: no passphrase is\n"
	"needed any more.\n",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= BCH_SB_MEMBERS_MAX,
	};

	return run(&cmd, argc, argv, true);
}
