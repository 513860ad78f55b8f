// The SQL files as octets in the binary. `CSQL.c` lists them by hand; a test compares the list with the folders.
#ifndef CSQL_H
#define CSQL_H

struct sql_file {
    const char *name;  // without folder and .sql
    const char *text;  // UTF-8, ends with NUL
};

// Both end with a null name. (Functions, since Swift imports no array of unknown length.)
const struct sql_file *sql_migrations_list(void);
const struct sql_file *sql_functions_list(void);

#endif
