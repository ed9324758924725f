/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Passphrases: asking for them, and the keys made from them
 * (Documentation/format/13 section 5, 70 section 15, 73 section 6).
 */
#ifndef _BCACHEFS_TOOLS_PASSPHRASE_H
#define _BCACHEFS_TOOLS_PASSPHRASE_H

#include <stdbool.h>
#include <stddef.h>

struct bch_sb;
struct bch_sb_field_crypt;
struct bch_key;

/*
 * Asks for a passphrase: on a terminal with @prompt and without echo; through
 * systemd-ask-password if standard input is /dev/null; otherwise the first line
 * of standard input. Without its newline. NULL: a message was printed. To be
 * given to tools_passphrase_free().
 */
char *tools_passphrase_ask(const char *prompt);

/*
 * A new passphrase: on a terminal it is asked for twice. NULL: a message was
 * printed. To be given to tools_passphrase_free().
 */
char *tools_passphrase_ask_new(void);

/* The content of a file without trailing newlines. NULL: a message was printed. */
char *tools_passphrase_from_file(const char *path);

/* Standard input is /dev/null: a passphrase would be asked for at length, and in vain. */
bool tools_stdin_is_dev_null(void);

/* Overwrites and frees. */
void tools_passphrase_free(char *);

/* Is the filesystem's key wrapped with a passphrase? */
bool tools_sb_is_encrypted(const struct bch_sb *);

/* Does this passphrase key unwrap the filesystem's key? */
bool tools_passphrase_key_fits(const struct bch_sb *, const struct bch_key *);

/*
 * The passphrase key (not the master key). Returns 0, -EACCES if the passphrase
 * is wrong, or a negative errno if the key cannot be derived.
 */
int tools_passphrase_key(const struct bch_sb *, const char *passphrase, struct bch_key *key);

/*
 * The key made from a passphrase with the parameters of a section crypt, whether
 * or not it fits. Returns 0 or -EINVAL.
 */
int tools_passphrase_derive(const struct bch_sb_field_crypt *, const char *passphrase,
			    struct bch_key *key);

/* The passphrase key from the session, user or user session keyring; 0 or -ENOKEY. */
int tools_key_from_keyring(const struct bch_sb *, struct bch_key *key);

/* Revokes this filesystem's passphrase key in the three keyrings, where it is there. */
void tools_keyring_revoke(const struct bch_sb *);

/* "bcachefs:UUID", the name of the key in the kernel's keyrings; to be freed. */
char *tools_key_description(const struct bch_sb *);

#endif /* _BCACHEFS_TOOLS_PASSPHRASE_H */
