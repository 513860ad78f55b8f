#ifndef GATEPOST_CLIBPQ_SHIM_H
#define GATEPOST_CLIBPQ_SHIM_H

#include <libpq-fe.h>

#endif
